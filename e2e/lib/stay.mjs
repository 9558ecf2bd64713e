// What one socket saw of a room from its join's ack to its leave's ack, held
// against what the protocol promises. Broken promises are collected as text.

const FIELDS = ['connId', 'epoch', 'prev', 'roomId', 'seq', 'state', 'ts', 'type', 'userConns', 'userId'];
const FIELDS_OF = {
  join: { online: [...FIELDS, 'status'].sort(), away: [...FIELDS, 'lastSeenMs', 'status'].sort() },
  update: { online: [...FIELDS, 'status'].sort(), away: [...FIELDS, 'lastSeenMs', 'status'].sort() },
  leave: { undefined: [...FIELDS, 'reason'].sort() },
};
const REASONS = ['leave', 'disconnect', 'timeout', 'node_lost', 'shutdown', 'kicked'];

export class Stay {
  /** @type {object[]} the events, in order of arrival */ events = [];
  /** @type {string[]} */ faults = [];

  #own;
  #lastEvent = 0;
  #known;
  #knownByEvent = false;

  /** @param {string} roomId @param {object} ack the join's */
  constructor(roomId, ack) {
    this.roomId = roomId;
    this.ackSeq = ack.seq;
    this.#own = ack.self.connId;
    this.#known = ack.seq;
  }

  /** Another join or a sync of the same socket was answered. */
  answered(seq) {
    this.#known = Math.max(this.#known, seq);
    this.#knownByEvent = false;
  }

  handle(event) {
    const fault = eventFault(event) ?? this.#orderFault(event);
    if (fault) this.faults.push(`${fault}: ${JSON.stringify(event)}`);
    this.events.push(event);
    this.#lastEvent = event.seq;
    this.#known = Math.max(this.#known, event.seq);
    this.#knownByEvent = true;
  }

  #orderFault({ type, connId, seq, prev }) {
    const ownJoin = type === 'join' && connId === this.#own;
    if (this.events.length > 0 ? seq <= this.#lastEvent : seq < this.ackSeq || (seq === this.ackSeq && !ownJoin)) {
      return `seq not above what the socket had (${this.#lastEvent || this.ackSeq})`;
    }
    if (this.#knownByEvent ? prev !== this.#known : prev > this.#known) {
      return `prev does not name the event before it (${this.#known})`;
    }
    return undefined;
  }
}

/** What is wrong with an event taken by itself. */
export function eventFault(event) {
  const fields = FIELDS_OF[event.type]?.[event.status];
  if (!fields) return 'unknown type or status';
  if (Object.keys(event).sort().join() !== fields.join()) return `fields are not ${fields}`;
  for (const name of ['roomId', 'userId', 'connId']) {
    if (typeof event[name] !== 'string' || event[name] === '') return `${name} is not a string`;
  }
  for (const name of ['ts', 'epoch', 'seq', 'prev', 'userConns']) {
    if (!Number.isSafeInteger(event[name]) || event[name] < 0) return `${name} is not a count`;
  }
  if (event.epoch < 1) return 'epoch below 1';
  if (event.prev >= event.seq) return 'prev not below seq';
  if (event.type === 'leave') {
    if (event.state !== null) return 'a leave with a state';
    if (!REASONS.includes(event.reason)) return 'unknown reason';
    return undefined;
  }
  if (typeof event.state !== 'object' || event.state === null || Array.isArray(event.state)) return 'state is no object';
  if (event.userConns < 1) return 'userConns below 1';
  if (event.status === 'away' && !(event.lastSeenMs <= event.ts)) return 'lastSeenMs is no time before ts';
  return undefined;
}
