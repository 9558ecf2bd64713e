import type { BatchedChange, Member, PresenceBatch, PresenceEvent } from "./protocol.js";
import type { MembersChange } from "./types.js";

/**
 * The members of one room as the server's events tell them, after the
 * protocol's rules for clients. Pure: no socket, no clock.
 */
export class Replica<S extends object> {
  #members = new Map<string, Member<S>>();
  #shared = false; // #members was handed out: copy before the next change
  #sorted = true; // #members is in the order of joining
  /** The room's sequence number that the members stand at. */
  seq = -1;
  /** An event is held back because one before it is missing: a sync is due. */
  gap = false;
  #held: (PresenceEvent<S> | PresenceBatch<S>)[] = [];
  #current = false; // false: events are held back until a join or a sync is answered
  #before = new Map<string, Member<S> | undefined>(); // members touched since takeChange, as they were

  /** By connId, in the order of joining; never changed after it was handed out. */
  get members(): ReadonlyMap<string, Member<S>> {
    if (!this.#sorted) this.#members = new Map([...this.#members].sort(([, a], [, b]) => byJoining(a, b)));
    this.#shared = this.#sorted = true;
    return this.#members;
  }

  /** The answer to a join or a sync: what the room holds at `seq`. Returns the events applied after it. */
  load(seq: number, snapshot: readonly Member<S>[]): PresenceEvent<S>[] {
    for (const connId of this.#members.keys()) this.#touch(connId);
    for (const { connId } of snapshot) this.#touch(connId);
    this.#members = new Map(snapshot.map((member) => [member.connId, member]));
    this.#shared = this.#sorted = this.gap = false;
    this.#current = true;
    this.seq = seq;
    return this.#drain();
  }

  /** One message of the room. Returns the events applied, in order. */
  receive(message: PresenceEvent<S> | PresenceBatch<S>): PresenceEvent<S>[] {
    this.#held.push(message);
    return this.#drain();
  }

  /** An event that counts at once, whatever is still to be heard before it. */
  force(event: PresenceEvent<S>): PresenceEvent<S>[] {
    this.#apply(event);
    return [event];
  }

  /** A join follows: what was heard before it means nothing, what is heard now waits for its answer. */
  hold(): void {
    this.#held = [];
    this.gap = this.#current = false;
  }

  /** The room is left: nobody is known. */
  clear(): void {
    this.load(-1, []);
    this.hold();
  }

  get(connId: string): Member<S> | undefined {
    return this.#members.get(connId);
  }

  /** What is different since the last call; undefined if nothing is. */
  takeChange(): MembersChange<S> | undefined {
    const joined: Member<S>[] = [];
    const updated: Member<S>[] = [];
    const left: Member<S>[] = [];
    for (const [connId, old] of this.#before) {
      const member = this.#members.get(connId);
      if (!member) {
        if (old) left.push(old);
      } else if (!old) joined.push(member);
      else if (!same(old, member)) updated.push(member);
    }
    this.#before.clear();
    return joined.length + updated.length + left.length > 0 ? { joined, updated, left } : undefined;
  }

  #drain(): PresenceEvent<S>[] {
    const applied: PresenceEvent<S>[] = [];
    while (this.#current) {
      const message = this.#held[0];
      if (!message) break;
      if (message.seq > this.seq) {
        if ((message.prev ?? message.seq - 1) > this.seq) {
          this.gap = true;
          this.#current = false;
          break;
        }
        if ("events" in message) {
          applied.push(...this.#applyBatch(message));
        } else {
          this.#apply(message);
          applied.push(message);
        }
      }
      this.#held.shift();
    }
    return applied;
  }

  /** The changes of one message, as events: those that are new, and about members who are known. */
  #applyBatch({ roomId, seq, prev, events }: PresenceBatch<S>): PresenceEvent<S>[] {
    const from = this.seq;
    const applied: PresenceEvent<S>[] = [];
    for (const { patch, removed, ...change } of events as readonly (BatchedChange<S> & Delta<S>)[]) {
      const known = this.#members.get(change.connId)?.state;
      const state = change.type === "leave" ? null : (change.state ?? patched(known, patch, removed));
      if (change.seq > from && (known ?? state)) {
        const event = { ...change, roomId, prev, state } as PresenceEvent<S>;
        this.#apply(event);
        applied.push(event);
      }
      prev = change.seq;
    }
    this.seq = seq;
    return applied;
  }

  #apply(event: PresenceEvent<S>): void {
    if (this.#shared) this.#members = new Map(this.#members);
    this.#shared = false;
    this.seq = event.seq;
    const { connId, userId, epoch, ts } = event;
    const old = this.#members.get(connId);
    this.#touch(connId);
    if (event.type === "leave") {
      this.#members.delete(connId);
      return;
    }
    this.#sorted &&= old !== undefined;
    const joinedMs = old?.joinedMs ?? ts; // a member that joins once more keeps it
    const lastSeenMs = event.lastSeenMs ?? ts;
    this.#members.set(connId, { connId, userId, state: event.state, epoch, status: event.status, joinedMs, lastSeenMs });
  }

  #touch(connId: string): void {
    if (!this.#before.has(connId)) this.#before.set(connId, this.#members.get(connId));
  }
}

interface Delta<S extends object> {
  readonly patch?: Readonly<Partial<S>>;
  readonly removed?: readonly string[];
}

/** A state with keys replaced and removed; the same object if none are. `__proto__` is a key like any other. */
function patched<S extends object>(state?: Readonly<S>, patch?: Readonly<Partial<S>>, removed: readonly string[] = []): Readonly<S> | undefined {
  if (!state || !(patch ?? removed.length)) return state;
  const next = { ...state, ...patch };
  for (const key of removed) Reflect.deleteProperty(next, key);
  return next;
}

/** The order of joining. Two that joined in the same millisecond are in the same order on every page, and after every reconnect. */
function byJoining(a: Member<object>, b: Member<object>): number {
  return a.joinedMs - b.joinedMs || (a.connId < b.connId ? -1 : 1);
}

/** Whether two members look the same; when they were last seen is not looked at. */
export function same(a: Member<object>, b: Member<object>): boolean {
  const look = (m: Member<object>) => JSON.stringify([m.userId, m.status, m.epoch, m.state]);
  return look(a) === look(b);
}
