// Large rooms: a part of the members at a time, and several changes in one message.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { memberView } from '../lib/members.mjs';
import { describeMatrix, freshRoom } from '../lib/stack.mjs';
import { until } from '../lib/wait.mjs';

/** A member list that is kept as docs/protocol.md says, from presence:events alone. */
class LargeRoom {
  members = new Map();
  #client;
  #room;
  #read = 0; // messages that were looked at
  #paged = new Map();
  #before;

  constructor(client, room) {
    this.#client = client;
    this.#room = room;
  }

  async join(userId, more) {
    const ack = await this.#client.request('presence:join', { roomId: this.#room, userId, ...more });
    assert.equal(ack.ok, true, JSON.stringify(ack));
    this.seq = ack.seq;
    this.total = ack.total;
    this.#take(ack.snapshot, ack.seq);
    for (let after = ack.next; after; ) {
      const page = await this.#client.request('presence:members', { roomId: this.#room, after, limit: 2 });
      assert.equal(page.ok, true, JSON.stringify(page));
      assert.ok(page.members.length <= 2);
      this.#take(page.members, page.seq);
      after = page.next;
    }
    return ack;
  }

  #take(members, seq) {
    for (const member of members) {
      this.members.set(member.connId, member);
      this.#paged.set(member.connId, seq);
    }
  }

  /** Handles what came. */
  catchUp() {
    for (; this.#read < this.#client.messages.length; this.#read++) {
      const { name, args } = this.#client.messages[this.#read];
      if (name !== 'presence:events' || args[0].roomId !== this.#room || args[0].seq <= this.seq) continue;
      const [batch] = args;
      assert.ok(batch.prev <= this.seq, `a gap from ${this.seq} to ${batch.prev}`);
      this.#before = this.seq;
      this.seq = batch.seq;
      this.total = batch.total;
      for (const item of batch.events) this.#apply(item);
    }
  }

  #apply(item) {
    if (item.seq <= Math.max(this.#before, this.#paged.get(item.connId) ?? 0)) return;
    const known = this.members.get(item.connId);
    if (item.type === 'leave') {
      this.members.delete(item.connId);
    } else if (item.state || known) {
      const state = item.state ?? { ...known.state, ...item.patch };
      for (const key of item.removed ?? []) delete state[key];
      this.members.set(item.connId, { ...item, state });
    }
  }

  view() {
    this.catchUp();
    return memberView([...this.members.values()]);
  }
}

describeMatrix(({ connect }) => {
  for (const more of [{ limit: 2, batch: true }, { limit: 0, deltas: true }, { deltas: true }]) {
    test(`a room of members that come, change and go, with ${JSON.stringify(more)}`, async () => {
      const room = freshRoom();
      const plain = await connect();
      await plain.join(room, 'plain');
      const others = [];
      for (let i = 0; i < 5; i++) {
        const other = await connect();
        await other.join(room, `user${i % 3}`, { state: { n: i, keep: [1] } });
        others.push(other);
      }
      const client = await connect();
      const large = new LargeRoom(client, room);
      const ack = await large.join('large', more);
      for (const [name, value] of Object.entries({ ...more, batch: true })) assert.equal(ack[name], value, name);
      assert.deepEqual(ack.total, { members: 7, users: 5 });
      assert.deepEqual(ack.self.connId, client.id);

      await others[0].patch(room, { n: 10 });
      await others[1].heartbeat({ roomId: room, patchState: { m: null }, removeState: ['keep'] });
      await others[2].leave({ roomId: room });
      await others[3].join(room, 'user0', { state: { again: true } });
      await plain.settled(room);
      await until('both have the same room', () => {
        large.catchUp();
        return large.seq >= plain.map(room).seq;
      });
      assert.deepEqual(large.view(), plain.map(room).view());
      assert.deepEqual(large.total, { members: 6, users: 4 });
      const items = client.messages.filter(({ name }) => name === 'presence:events').flatMap(({ args }) => args[0].events);
      const patched = items.find((item) => item.connId === others[1].id);
      assert.deepEqual(more.deltas ? [patched.patch, patched.removed] : patched.state, more.deltas ? [{ m: null }, ['keep']] : { n: 1, m: null });
      assert.deepEqual(client.events, [], 'it is told nothing by presence:event');
    });
  }

  test('whoever asks for nothing is told nothing more', async () => {
    const room = freshRoom();
    const client = await connect();
    const ack = await client.join(room, 'ann');
    assert.deepEqual(Object.keys(ack).sort(), ['ok', 'resumed', 'self', 'seq', 'snapshot']);
  });

  test('a limit and a place that are none are invalid_payload', async () => {
    const room = freshRoom();
    const client = await connect();
    await client.join(room, 'ann');
    for (const [name, more] of [
      ['presence:join', { userId: 'ann', limit: -1 }],
      ['presence:join', { userId: 'ann', limit: 1001 }],
      ['presence:join', { userId: 'ann', batch: 1 }],
      ['presence:members', { limit: 0 }],
      ['presence:members', { after: 'nowhere' }],
    ]) {
      assert.equal((await client.request(name, { roomId: room, ...more })).code, 'invalid_payload', JSON.stringify(more));
    }
    assert.equal((await client.request('presence:members', { roomId: freshRoom() })).code, 'not_joined');
  });
});
