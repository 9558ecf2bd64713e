// Redis that does not answer: requests that need it are refused in time,
// everything else goes on, and nobody is reported gone.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { surviveOutage } from '../lib/outage.mjs';
import { describeStack, freshRoom } from '../lib/stack.mjs';
import { until } from '../lib/wait.mjs';

const REFUSED_WITHIN_MS = 2500;
const PAUSED_MS = 6000;

async function timed(promise) {
  const start = Date.now();
  return { ack: await promise, ms: Date.now() - start };
}

describeStack('serve with a frozen Redis', { backend: 'serve' }, (stack) => {
  test('joins and patches are unavailable, heartbeats are acked, nobody leaves', async () => {
    const [alice, bob] = [await stack.connect(), await stack.connect()];
    const [room, refusedRoom] = [freshRoom(), freshRoom()];
    await alice.join(room, 'alice');
    const { self } = await bob.join(room, 'bob', { state: { n: 0 } });

    stack.redis.pause();
    try {
      const refusals = Promise.all([
        timed(bob.join(refusedRoom, 'bob')),
        timed(bob.patch(room, { n: 1 })),
        timed((await stack.connect()).join(room, 'carol')),
      ]);
      const beat = await timed(alice.heartbeat());
      assert.equal(beat.ack.ok, true);
      assert.ok(beat.ms < 500, `a heartbeat took ${beat.ms} ms`);
      for (const { ack, ms } of await refusals) {
        assert.equal(ack.code, 'unavailable', JSON.stringify(ack));
        assert.equal(ack.ok, false);
        assert.ok(ms < REFUSED_WITHIN_MS, `refused after ${ms} ms`);
      }
      assert.equal((await alice.heartbeat()).ok, true);
    } finally {
      stack.redis.resume();
    }

    await until('patches go through', async () => (await bob.patch(room, { n: 2 })).ok);
    await alice.event({ roomId: room, userId: 'bob', type: 'update' });
    assert.deepEqual((await bob.heartbeat({ roomId: room })).epoch, self.epoch);
    // The refused joins are undone: of carol not even a trace remains, or her join and leave.
    await until('only alice and bob are in the room', async () => {
      const { snapshot } = await alice.sync(room);
      return snapshot.map((member) => member.userId).sort().join() === 'alice,bob';
    });
    assert.equal((await bob.heartbeat({ roomId: refusedRoom })).code, 'not_joined');
    const left = (await alice.settled(room)).filter((event) => event.type === 'leave');
    assert.ok(left.every((event) => event.userId === 'carol'), JSON.stringify(left));

    const ack = await bob.join(refusedRoom, 'bob');
    assert.deepEqual(ack.snapshot.map((member) => member.userId), ['bob']);
  });

  test('leaves during the outage are carried out after it', async () => {
    const [alice, bob] = [await stack.connect(), await stack.connect()];
    const room = freshRoom();
    await alice.join(room, 'alice');
    await bob.join(room, 'bob');
    stack.redis.pause();
    try {
      bob.wire.disconnect();
      await until('the server saw it', () => !bob.wire.open);
      assert.equal((await alice.heartbeat()).ok, true);
    } finally {
      stack.redis.resume();
    }
    const gone = await alice.event({ roomId: room, type: 'leave' });
    assert.equal(gone.userId, 'bob');
  });
});

describeStack('serve with a Redis that is paused', { backend: 'serve', nodes: 2 }, (stack) => {
  test('nobody is reported gone who is not', (t) =>
    surviveOutage(t, stack, { ms: PAUSED_MS, begin: () => stack.redis.pause(), end: () => stack.redis.resume() }));
});
