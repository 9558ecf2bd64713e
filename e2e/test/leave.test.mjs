// presence:leave, and the clean end of a connection.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describeMatrix, freshRoom } from '../lib/stack.mjs';

describeMatrix(({ connect }) => {
  async function pair(more) {
    const [alice, bob] = [await connect(), await connect()];
    const room = freshRoom();
    await alice.join(room, 'alice');
    await bob.join(room, 'bob', more);
    return { alice, bob, room };
  }

  /** Alice's one leave event of bob. */
  async function left(alice, room) {
    await alice.event({ roomId: room, type: 'leave' });
    const events = (await alice.settled(room)).filter((event) => event.type !== 'join');
    assert.equal(events.length, 1, JSON.stringify(events));
    return events[0];
  }

  for (const [name, payload] of [
    ['no payload', () => []],
    ['null', () => [null]],
    ['an empty object', () => [{}]],
    ['a null roomId', () => [{ roomId: null, graceMs: null }]],
    ['a roomId', (room) => [{ roomId: room }]],
  ]) {
    test(`with ${name} it leaves`, async () => {
      const { alice, bob, room } = await pair();
      assert.deepEqual(await bob.leave(...payload(room)), { ok: true });
      const { userId, connId, state, userConns, reason } = await left(alice, room);
      assert.deepEqual(
        { userId, connId, state, userConns, reason },
        { userId: 'bob', connId: bob.id, state: null, userConns: 0, reason: 'leave' },
      );
      assert.equal((await bob.heartbeat({ roomId: room })).code, 'not_joined');
      assert.deepEqual(bob.seen(room).filter((event) => event.type === 'leave'), []);
    });
  }

  test('nothing to leave is fine', async () => {
    const { bob, room } = await pair();
    assert.deepEqual(await bob.leave({ roomId: freshRoom() }), { ok: true });
    assert.equal((await bob.heartbeat({ roomId: room })).ok, true);
    assert.deepEqual(await bob.leave(), { ok: true });
    assert.deepEqual(await bob.leave(), { ok: true });
  });

  test('without an acknowledgement it leaves', async () => {
    const { alice, bob, room } = await pair();
    bob.send('presence:leave');
    assert.equal((await left(alice, room)).reason, 'leave');
  });

  test('with a graceMs but no token it leaves at once', async () => {
    const { alice, bob, room } = await pair();
    assert.deepEqual(await bob.leave({ roomId: room, graceMs: 60_000 }), { ok: true });
    assert.equal((await left(alice, room)).reason, 'leave');
  });

  test('of one room leaves the others alone', async () => {
    const { alice, bob, room } = await pair();
    const other = freshRoom();
    await alice.join(other, 'alice');
    await bob.join(other, 'bob');
    await bob.leave({ roomId: room });
    await left(alice, room);
    assert.equal((await bob.heartbeat({ roomId: other })).ok, true);
    await bob.leave();
    await left(alice, other);
  });

  test('no event of the room comes after the ack', async () => {
    const { alice, bob, room } = await pair();
    await bob.leave();
    const count = bob.seen(room).length;
    await alice.settled(room);
    await alice.settled(room);
    assert.equal((await bob.heartbeat({ roomId: room })).code, 'not_joined');
    assert.equal(bob.seen(room).length, count);
  });

  test('joining afterwards raises the epoch', async () => {
    const { alice, bob, room } = await pair();
    const { epoch } = await bob.heartbeat();
    await bob.leave();
    const ack = await bob.join(room, 'bob');
    assert.ok(ack.self.epoch > epoch, `${ack.self.epoch} after ${epoch}`);
    const types = (await alice.settled(room)).filter((event) => event.userId === 'bob').map((event) => event.type);
    assert.deepEqual(types, ['join', 'leave', 'join']);
  });

  for (const [name, more] of [
    ['plain', {}],
    ['resumable', { graceMs: 60_000 }],
  ]) {
    test(`a disconnect packet of a ${name} member is a clean leave`, async () => {
      const { alice, bob, room } = await pair(more);
      bob.wire.disconnect();
      const { userConns, reason } = await left(alice, room);
      assert.deepEqual({ userConns, reason }, { userConns: 0, reason: 'disconnect' });
    });
  }
});
