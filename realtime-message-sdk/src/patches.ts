import { RealtimeError } from "./errors.js";
import type { HeartbeatResponse } from "./protocol.js";

interface Waiter {
  resolve(response: HeartbeatResponse): void;
  reject(error: Error): void;
}

/** Changes of a state, key by key: the new value, or `undefined` for a key that is deleted. */
export type Changes = Readonly<Record<string, unknown>>;

interface Batch {
  patch: Changes | undefined;
  waiters: Waiter[];
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
    const promise = new Promise<HeartbeatResponse>((resolve, reject) => {
      this.#waiting = merge(this.#waiting, { patch, waiters: [{ resolve, reject }] });
    });
    promise.catch(() => undefined); // who does not look at it is told by the error event
    return promise;
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
    if (!sent) return;
    if (response.changed && response.seq !== undefined) this.#accepted.push({ patch: sent.patch, seq: response.seq });
    for (const waiter of sent.waiters) waiter.resolve(response);
  }

  /** The one in flight was refused for good. */
  refuse(error: Error): void {
    for (const waiter of this.#takeSent()?.waiters ?? []) waiter.reject(error);
  }

  /** What became of the one in flight is not known: it waits again, for what came after it to go with it. */
  undo(): void {
    const sent = this.#takeSent();
    if (sent) this.#waiting = merge(sent, this.#waiting);
  }

  /** The member list stands at this seq now. */
  seen(seq: number): void {
    this.#accepted = this.#accepted.filter((patch) => patch.seq > seq);
  }

  /** Forgets all; who waits is told. */
  clear(error: Error): void {
    this.undo();
    for (const waiter of this.#waiting?.waiters ?? []) waiter.reject(error);
    this.#waiting = undefined;
    this.#accepted = [];
  }

  /** The state as it will be when all patches have arrived. The same object when there is none. */
  over<S extends object>(state: S): S {
    const all = [...this.#accepted, this.sent, this.#waiting];
    return all.reduce((result, batch) => (batch?.patch ? apply(result, batch.patch) : result), state);
  }

  #takeSent(): Batch | undefined {
    const sent = this.sent;
    this.sent = undefined;
    return sent;
  }
}

function apply<S extends object>(state: S, changes: Changes): S {
  const entries = Object.entries({ ...state, ...changes }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as S;
}

function merge(first: Batch | undefined, then: Batch | undefined): Batch | undefined {
  if (!first || !then) return first ?? then;
  const patch = first.patch && then.patch ? { ...first.patch, ...then.patch } : (first.patch ?? then.patch);
  return { patch, waiters: [...first.waiters, ...then.waiters] };
}

/** A state or a patch as the wire carries it, and a copy that nobody changes. Throws a RealtimeError for what is no JSON object. */
export function asSent<T extends object>(given: T): T {
  return sendable(() => {
    const copy: unknown = JSON.parse(JSON.stringify(given, refuseCode));
    if (typeof copy !== "object" || !copy || Array.isArray(copy)) throw new TypeError("it is no object");
    return copy as T;
  });
}

/** The deletion of keys as changes. Throws a RealtimeError if they are no list. */
export function deleted(keys: readonly string[]): Changes {
  return sendable(() => Object.fromEntries(keys.map((key) => [key, undefined])));
}

function sendable<T>(make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw new RealtimeError("invalid_payload", `This cannot be sent: ${(cause as Error).message}.`, { cause });
  }
}

/** JSON leaves functions and symbols out without a word. */
function refuseCode(key: string, value: unknown): unknown {
  if (typeof value === "function" || typeof value === "symbol") throw new TypeError(`${key} is a ${typeof value}`);
  return value;
}
