// The map of a room's members that a client keeps, after the rules of the
// protocol ("What a client does").

export class MemberMap {
  /** @type {Map<string, object>} */ members = new Map();
  /** Undefined while the room is not joined. @type {number | undefined} */ seq;

  #inFlight = 0;
  #held = [];
  #sync;

  /** @param {(seq: number) => void} sync called when a gap shows; it has to request a sync */
  constructor(sync) {
    this.#sync = sync;
  }

  /** A join or a sync is being sent: the room's events are held back. */
  hold() {
    this.#inFlight++;
  }

  /** Its ack (or its failure: undefined) is handled. */
  release(ack) {
    this.#inFlight--;
    if (ack?.ok) {
      this.seq = ack.seq;
      if (ack.snapshot) this.members = new Map(ack.snapshot.map((member) => [member.connId, member]));
    }
    const held = this.#held;
    this.#held = [];
    for (const event of held) this.handle(event);
  }

  /** The room was left. */
  clear() {
    this.seq = undefined;
    this.members.clear();
  }

  /** One presence:event of the room. */
  handle(event) {
    if (this.#inFlight > 0) {
      this.#held.push(event);
      return;
    }
    if (this.seq === undefined || event.seq <= this.seq) return;
    if ((event.prev ?? event.seq - 1) > this.seq) {
      this.#held.push(event);
      this.#sync(this.seq);
      return;
    }
    this.seq = event.seq;
    if (event.type === 'leave') this.members.delete(event.connId);
    else this.members.set(event.connId, event);
  }

  /** What must be equal at rest, by connId. Epochs are left out: a resume raises them unseen. */
  view() {
    return memberView([...this.members.values()]);
  }
}

/** Members without what differs between observers, in the order of their connId. */
export function memberView(members) {
  return members
    .map(({ connId, userId, state, status }) => ({ connId, userId, state, status }))
    .sort((a, b) => (a.connId < b.connId ? -1 : 1));
}
