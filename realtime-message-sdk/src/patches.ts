import { Deferred } from "./deferred.js";
import type { HeartbeatResponse } from "./protocol.js";

/** Changes of a state, key by key: the new value, or `undefined` for a key that is deleted. */
export type Changes = Readonly<Record<string, unknown>>;

/** One heartbeat, for all who asked for what is in it: they share its answer. */
class Batch extends Deferred<HeartbeatResponse> {
  patch: Changes | undefined;
}

/**
 * The heartbeats of a channel on their way to the server, with patches of its
 * own state or without: one in flight, and one that waits and takes in all
 * that come meanwhile, the latest value of a key winning. Pure: it sends nothing itself.
 */
export class PatchQueue {
  /** The one in flight. */
  sent: Batch | undefined;
  #waiting: Batch | undefined;
  /** Accepted ones whose event has not come yet, with its seq: until then the member list does not show them. */
  #accepted: { patch: Changes | undefined; seq: number }[] = [];

  /** Takes a heartbeat; the promise settles with the answer to the request that carries it. */
  add(patch?: Changes): Promise<HeartbeatResponse> {
    const waiting = (this.#waiting ??= new Batch());
    waiting.patch = merge(waiting.patch, patch);
    return waiting.promise;
  }

  /** The one to send now; undefined if none waits or one is in flight. */
  next(): Batch | undefined {
    if (this.sent) return undefined;
    this.sent = this.#waiting;
    this.#waiting = undefined;
    return this.sent;
  }

  /** The one in flight was accepted. */
  accept(response: HeartbeatResponse): void {
    const sent = this.#takeSent();
    if (sent && response.changed && response.seq !== undefined) this.#accepted.push({ patch: sent.patch, seq: response.seq });
    sent?.resolve(response);
  }

  /** The one in flight was refused for good. */
  refuse(error: Error): void {
    this.#takeSent()?.reject(error);
  }

  /** What became of the one in flight is not known: it waits again, for what came after it to go with it. */
  undo(): void {
    const sent = this.#takeSent();
    const later = this.#waiting;
    if (sent && later) {
      later.patch = merge(sent.patch, later.patch);
      sent.resolve(later.promise);
    }
    this.#waiting = later ?? sent;
  }

  /** The member list stands at this seq now. */
  seen(seq: number): void {
    this.#accepted = this.#accepted.filter((patch) => patch.seq > seq);
  }

  /** Forgets all; who waits is told. */
  clear(error: Error): void {
    this.undo();
    this.#waiting?.reject(error);
    this.#waiting = undefined;
    this.#accepted = [];
  }

  /** The state as it will be when all patches have arrived. The same object when there is none. */
  over<S extends object>(state: S): S {
    const all = [...this.#accepted, this.sent, this.#waiting];
    return all.reduce((result, batch) => (batch?.patch ? apply(result, batch.patch) : result), state);
  }

  #takeSent(): Batch | undefined {
    const { sent } = this;
    this.sent = undefined;
    return sent;
  }
}

function apply<S extends object>(state: S, changes: Changes): S {
  const entries = Object.entries({ ...state, ...changes }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as S;
}

function merge(first: Changes | undefined, then: Changes | undefined): Changes | undefined {
  return first && then ? { ...first, ...then } : (first ?? then);
}
