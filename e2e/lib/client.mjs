// A presence client for tests: sends requests, keeps a member map for each
// room, and records all it sees together with what is wrong with it.

import assert from 'node:assert/strict';

import { MemberMap } from './members.mjs';
import { Stay } from './stay.mjs';
import { until, within } from './wait.mjs';

export class Client {
  /** @type {object[]} every presence:event, in order of arrival */ events = [];
  /** @type {number[]} when each of them arrived, Unix ms */ arrivals = [];
  /** @type {{ name: string, args: any[] }[]} every other event */ messages = [];
  /** @type {Stay[]} */ stays = [];
  /** True for a client that does not follow the protocol itself. */ unjudged = false;

  /** @type {string[]} */ #faults = [];
  /** @type {Map<string, Stay>} */ #open = new Map();
  /** @type {Map<string, MemberMap>} */ #maps = new Map();
  #marks = 0;

  /** @param {import('./wire-socketio.mjs').SocketIOWire | import('./wire-raw.mjs').RawWire} wire */
  constructor(wire) {
    this.wire = wire;
    wire.onEvent((name, args) => {
      if (name === 'presence:event') this.#handle(args[0]);
      else this.messages.push({ name, args });
    });
  }

  /** The Socket.IO socket id. */
  get id() {
    return this.wire.id;
  }

  /** Every promise of the protocol that this client saw broken. */
  get faults() {
    if (this.unjudged) return [];
    return [...this.#faults, ...this.stays.flatMap((stay) => stay.faults)];
  }

  /** The member map of a room. */
  map(roomId) {
    let map = this.#maps.get(roomId);
    if (!map) {
      map = new MemberMap((seq) => this.sync(roomId, { seq }));
      this.#maps.set(roomId, map);
    }
    return map;
  }

  /** Sends an event and waits for its acknowledgement. */
  request(name, ...args) {
    return this.#request(name, args, () => {});
  }

  /** Sends an event without asking for an acknowledgement. */
  send(name, ...args) {
    this.wire.emit(name, args);
  }

  /** Joins and returns the ack, refusals included. */
  join(roomId, userId, more = {}) {
    return this.#holding(roomId, 'presence:join', { roomId, userId, ...more }, (ack) => {
      const stay = this.#open.get(roomId);
      if (stay) stay.answered(ack.seq);
      else this.#enter(roomId, ack);
    });
  }

  sync(roomId, more = {}) {
    return this.#holding(roomId, 'presence:sync', { roomId, ...more }, (ack) => {
      this.#open.get(roomId)?.answered(ack.seq);
    });
  }

  heartbeat(...payload) {
    return this.request('presence:heartbeat', ...payload);
  }

  patch(roomId, patchState) {
    return this.heartbeat({ roomId, patchState });
  }

  leave(...payload) {
    return this.#request('presence:leave', payload, (ack) => {
      if (!ack.ok) return;
      const roomId = payload[0]?.roomId;
      for (const id of roomId == null ? [...this.#open.keys()] : [roomId]) {
        this.#open.delete(id);
        this.map(id).clear();
      }
    });
  }

  /** The events of a room so far. */
  seen(roomId) {
    return this.events.filter((event) => event.roomId === roomId);
  }

  /** Waits for an event with the given fields and returns it. */
  event(fields, ms) {
    const entries = Object.entries(fields);
    const match = (event) => entries.every(([name, value]) => event[name] === value);
    return until(`an event ${JSON.stringify(fields)}`, () => this.events.find(match), ms);
  }

  /** Waits for a custom event of the given name and returns its arguments. */
  async message(name) {
    const message = await until(`a ${name}`, () => this.messages.find((m) => m.name === name));
    return message.args;
  }

  /**
   * Patches its own state as a mark and waits for the mark's event: since
   * events come in order, all that was caused before has been seen then.
   * Returns the room's events, marks left out.
   */
  async settled(roomId) {
    const ack = await this.patch(roomId, { mark: ++this.#marks });
    if (!ack.ok) throw new Error(`mark refused: ${JSON.stringify(ack)}`);
    await this.event({ roomId, seq: ack.seq });
    return this.seen(roomId).filter((event) => !(event.type === 'update' && event.state.mark));
  }

  /** Waits until the server is gone from under it. */
  closed(ms) {
    return until('the connection closes', () => this.wire.closeReason, ms);
  }

  #handle(event) {
    this.events.push(event);
    this.arrivals.push(Date.now());
    const stay = this.#open.get(event.roomId);
    if (stay) stay.handle(event);
    else this.#faults.push(`an event of a room that the socket is not in: ${JSON.stringify(event)}`);
    this.#maps.get(event.roomId)?.handle(event);
  }

  #enter(roomId, ack) {
    const stay = new Stay(roomId, ack);
    this.#open.set(roomId, stay);
    this.stays.push(stay);
  }

  /** A request whose ack the map of the room waits for. */
  async #holding(roomId, name, payload, onOk) {
    const map = this.map(roomId);
    map.hold();
    let ack;
    try {
      ack = await this.#request(name, [payload], (answer) => answer.ok && onOk(answer));
    } finally {
      map.release(ack);
    }
    return ack;
  }

  /** onAck runs while the packet is read, before any later event. */
  #request(name, args, onAck) {
    const answer = new Promise((resolve) => {
      this.wire.emit(name, args, (ack) => {
        onAck(ack);
        resolve(ack);
      });
    });
    return within(`${name} ${JSON.stringify(args).slice(0, 200)} is acknowledged`, answer);
  }
}

/** Waits until the clients' maps of a room stand at the same seq, and compares them. */
export async function assertAgree(roomId, ...clients) {
  const maps = clients.map((client) => client.map(roomId));
  await until('the maps stand at one seq', () => maps.every((map) => map.seq === maps[0].seq)).catch((error) => {
    const [most] = clients.toSorted((a, b) => b.map(roomId).seq - a.map(roomId).seq);
    const ends = [most, ...clients.filter((client) => client.map(roomId).seq !== most.map(roomId).seq)].slice(0, 4);
    const last = ends.map((client) => `${client.id} at ${client.map(roomId).seq}: ${JSON.stringify(client.events.slice(-4))}`);
    throw new Error(`${error.message}; ${last.join('; ')}`);
  });
  for (const map of maps) assert.deepEqual(map.view(), maps[0].view());
}
