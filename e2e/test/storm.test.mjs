// Many clients on two nodes, joining, patching, leaving and reconnecting at
// random. Every client checks what it sees as it sees it; at the end all must
// agree with each other and with the servers.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { memberView } from '../lib/members.mjs';
import { random } from '../lib/random.mjs';
import { describeStack, freshRoom, TRANSPORTS } from '../lib/stack.mjs';
import { until } from '../lib/wait.mjs';

const CLIENTS = 66;
const OPERATIONS = 20;
const ROOMS = 4;
const GRACE_MS = 30_000;
const TRANSPORT_NAMES = Object.keys(TRANSPORTS);

/** One person: one connection at a time, some rooms, random deeds. */
class Actor {
  /** @type {import('../lib/client.mjs').Client} */ client;
  /** Resume tokens by room. */ rooms = new Map();
  #count = 0;

  constructor(index, stack, rooms, pick) {
    Object.assign(this, { index, stack, allRooms: rooms, pick, userId: `user-${index % 50}` });
  }

  async connect() {
    const node = this.pick.below(2);
    if (this.index % 3 === 0) this.client = await this.stack.connectRaw({}, node);
    else this.client = await this.stack.connect(TRANSPORT_NAMES[this.index % TRANSPORT_NAMES.length], node);
  }

  async act() {
    const room = this.pick.of(this.allRooms);
    const deed = this.pick.below(10);
    if (!this.rooms.has(room) || deed === 0) await this.join(room);
    else if (deed < 6) assert.equal((await this.client.patch(room, { n: ++this.#count })).ok, true);
    else if (deed < 8) await this.leave(room);
    else if (deed === 8) await this.reconnect();
    else assert.equal((await this.client.sync(room, { seq: this.client.map(room).seq })).ok, true);
  }

  async join(room, resume) {
    const ack = await this.client.join(room, this.userId, { graceMs: GRACE_MS, resume, state: resume ? undefined : { n: 0 } });
    assert.equal(ack.ok, true, JSON.stringify(ack));
    assert.equal(ack.resumed, resume !== undefined);
    this.rooms.set(room, ack.self.resume);
  }

  async leave(room) {
    assert.equal((await this.client.leave({ roomId: room })).ok, true);
    this.rooms.delete(room);
  }

  /** Says goodbye and starts afresh, or comes back by resume: after a cut, or beside the old socket. */
  async reconnect() {
    const old = this.client;
    const manner = this.pick.below(3);
    if (manner === 0) {
      old.wire.disconnect();
      this.rooms.clear();
      return this.connect();
    }
    if (manner === 1 && old.wire.canTerminate) old.wire.terminate();
    await this.connect();
    for (const [room, token] of this.rooms) await this.join(room, token);
    old.wire.disconnect();
  }
}

/**
 * Every event that anybody saw of a room, by seq; the same seq must be the same
 * event, but for lastSeenMs: each server says what it knows.
 */
function unionLog(clients, room) {
  const log = new Map();
  for (const { lastSeenMs, ...event } of clients.flatMap((client) => client.seen(room))) {
    const known = log.get(event.seq);
    if (known) assert.deepEqual(event, known);
    else log.set(event.seq, event);
  }
  return log;
}

/** Each stay got every event of its time: nothing between two that it got was left out. */
function assertComplete(stay, log) {
  const got = new Set(stay.events.map((event) => event.seq));
  const last = stay.events.at(-1)?.seq ?? 0;
  const missed = [...log.keys()].filter((seq) => seq > stay.ackSeq && seq < last && !got.has(seq));
  const folded = (seq) => stay.events.some((event) => event.prev < seq && seq < event.seq);
  assert.deepEqual(missed.filter((seq) => !folded(seq)), []);
}

/** userConns is what the events themselves add up to. */
function assertCounts(log) {
  const users = new Map();
  for (const event of [...log.values()].sort((a, b) => a.seq - b.seq)) {
    if (event.type === 'leave') users.delete(event.connId);
    else users.set(event.connId, event.userId);
    const count = [...users.values()].filter((userId) => userId === event.userId).length;
    assert.equal(event.userConns, count, JSON.stringify(event));
  }
}

describeStack('two nodes', { backend: 'serve', nodes: 2 }, (stack) => {
  test(`a storm of ${CLIENTS} clients ends in one truth`, async (t) => {
    const seed = Number(process.env.STORM_SEED ?? Date.now() % 1e6);
    t.diagnostic(`STORM_SEED=${seed}`);
    const rooms = Array.from({ length: ROOMS }, freshRoom);
    const actors = Array.from({ length: CLIENTS }, (_, i) => new Actor(i, stack, rooms, random(seed + i)));
    const watcher = await stack.connect();
    for (const room of rooms) await watcher.join(room, 'watcher');
    await Promise.all(
      actors.map(async (actor) => {
        await actor.connect();
        for (let i = 0; i < OPERATIONS; i++) await actor.act();
        for (const room of rooms) if (!actor.rooms.has(room)) await actor.join(room);
      }),
    );

    for (const room of rooms) {
      const clients = [watcher, ...actors.map((actor) => actor.client)];
      const { seq } = await watcher.patch(room, { mark: true });
      await until('all saw the mark', () => clients.every((client) => client.map(room).seq >= seq), 15_000);
      for (const observer of [watcher, actors[0].client, actors[1].client]) {
        const { snapshot } = await observer.sync(room);
        assert.equal(snapshot.length, clients.length);
        for (const client of clients) assert.deepEqual(client.map(room).view(), memberView(snapshot));
      }
      const log = unionLog(stack.clients, room);
      const stays = stack.clients.flatMap((client) => client.stays).filter((stay) => stay.roomId === room);
      for (const stay of stays) assertComplete(stay, log);
      assertCounts(log);
      t.diagnostic(`${log.size} events, ${stays.length} stays`);
    }
  });
});
