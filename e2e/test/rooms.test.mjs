// Many rooms on one connection.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describeBackends, freshRoom } from '../lib/stack.mjs';

describeBackends({}, (stack) => {
  test('a hundred rooms are fine, one more is too_many_rooms', async () => {
    const alice = await stack.connect();
    const rooms = Array.from({ length: 100 }, freshRoom);
    const acks = await Promise.all(rooms.map((room) => alice.join(room, 'alice')));
    assert.ok(acks.every((ack) => ack.ok && ack.self.connId === alice.id));

    const refused = await alice.join(freshRoom(), 'alice');
    assert.deepEqual([refused.ok, refused.code], [false, 'too_many_rooms']);
    assert.equal((await alice.join(rooms[0], 'alice')).ok, true, 'joining again needs no room more');
    await alice.leave({ roomId: rooms[0] });
    assert.equal((await alice.join(freshRoom(), 'alice')).ok, true);
  });

  test('a heartbeat without a roomId speaks for all', async () => {
    const alice = await stack.connect();
    const rooms = [freshRoom(), freshRoom()];
    for (const room of rooms) await alice.join(room, 'alice');
    assert.deepEqual(await alice.heartbeat(), { ok: true, changed: false });
    assert.deepEqual(await alice.heartbeat({ epoch: 0 }), { ok: true, changed: false });
  });

  test('a patch without a roomId is invalid_payload', async () => {
    const alice = await stack.connect();
    for (let i = 0; i < 2; i++) await alice.join(freshRoom(), 'alice');
    const ack = await alice.heartbeat({ patchState: { a: 1 } });
    assert.deepEqual([ack.ok, ack.code], [false, 'invalid_payload']);
    assert.match(ack.error, /roomId/);
  });

  test('a patch goes to its room only', async () => {
    const [alice, bob] = [await stack.connect(), await stack.connect()];
    const rooms = [freshRoom(), freshRoom()];
    for (const room of rooms) {
      await alice.join(room, 'alice');
      await bob.join(room, 'bob', { state: { room } });
    }
    await bob.patch(rooms[0], { a: 1 });
    await alice.event({ roomId: rooms[0], type: 'update' });
    const elsewhere = (await alice.settled(rooms[1])).filter((event) => event.type === 'update');
    assert.deepEqual(elsewhere, []);
  });

  test('a leave without a roomId and a lost connection leave all', async () => {
    for (const leave of [(client) => client.leave(), (client) => client.wire.terminate()]) {
      const [alice, bob] = [await stack.connect(), await stack.connect()];
      const rooms = [freshRoom(), freshRoom(), freshRoom()];
      for (const room of rooms) {
        await alice.join(room, 'alice');
        await bob.join(room, 'bob');
      }
      await leave(bob);
      for (const room of rooms) await alice.event({ roomId: room, type: 'leave', userId: 'bob' });
    }
  });
});
