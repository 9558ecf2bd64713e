// presence:heartbeat: with and without a patch, an epoch, an acknowledgement.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describeMatrix, freshRoom } from '../lib/stack.mjs';
import { until } from '../lib/wait.mjs';

describeMatrix(({ connect }) => {
  async function pair(state = {}) {
    const [alice, bob] = [await connect(), await connect()];
    const room = freshRoom();
    await alice.join(room, 'alice');
    const { self } = await bob.join(room, 'bob', { state });
    return { alice, bob, room, epoch: self.epoch };
  }

  /** What alice saw of bob after his join. */
  async function updates(alice, room) {
    const events = await alice.settled(room);
    return events.filter((event) => event.userId === 'bob' && event.type !== 'join');
  }

  test('without a patch it changes nothing, whatever form it has', async () => {
    const { alice, bob, room, epoch } = await pair();
    const quiet = { ok: true, changed: false, epoch };
    assert.deepEqual(await bob.heartbeat(), quiet);
    assert.deepEqual(await bob.heartbeat(null), quiet);
    assert.deepEqual(await bob.heartbeat({}), quiet);
    assert.deepEqual(await bob.heartbeat({ epoch }), quiet);
    assert.deepEqual(await bob.heartbeat({ roomId: room, epoch }), quiet);
    assert.deepEqual(await bob.heartbeat({ roomId: null, epoch: null, patchState: null }), quiet);
    assert.deepEqual(await updates(alice, room), []);
  });

  test('a patch is merged shallowly and broadcast whole', async () => {
    const { alice, bob, room, epoch } = await pair({ keep: 1, deep: { a: 1, b: 2 }, gone: 'x' });
    const patchState = { deep: { c: 3 }, gone: null, added: [1, []] };
    const ack = await bob.heartbeat({ roomId: room, epoch, patchState });
    const { seq, ...rest } = ack;
    assert.deepEqual(rest, { ok: true, changed: true, epoch });

    const state = { keep: 1, deep: { c: 3 }, gone: null, added: [1, []] };
    const [update, ...others] = await updates(alice, room);
    assert.deepEqual(others, []);
    assert.equal(update.seq, seq);
    assert.deepEqual(
      [update.type, update.state, update.epoch, update.userConns, update.status],
      ['update', state, epoch, 1, 'online'],
    );
    const own = await bob.event({ roomId: room, seq });
    assert.deepEqual(own, update);
    const { snapshot } = await alice.sync(room);
    assert.deepEqual(snapshot.find((member) => member.userId === 'bob').state, state);
  });

  test('a patch that changes nothing is no event', async () => {
    const { alice, bob, room, epoch } = await pair({ a: 1, b: { c: [null] } });
    for (const patchState of [{ a: 1 }, {}, { b: { c: [null] } }]) {
      assert.deepEqual(await bob.heartbeat({ roomId: room, patchState }), { ok: true, changed: false, epoch });
    }
    assert.deepEqual(await updates(alice, room), []);
  });

  test('a patch without an acknowledgement or a roomId is carried out', async () => {
    const { alice, bob, room } = await pair();
    bob.send('presence:heartbeat', { patchState: { typing: true } });
    const update = await alice.event({ roomId: room, type: 'update', userId: 'bob' });
    assert.deepEqual(update.state, { typing: true });
  });

  test('heartbeats without an acknowledgement do no harm', async () => {
    const { alice, bob, room } = await pair();
    bob.send('presence:heartbeat');
    bob.send('presence:heartbeat', null);
    bob.send('presence:heartbeat', { roomId: room });
    bob.send('presence:heartbeat', { roomId: 7 });
    assert.equal((await bob.heartbeat()).ok, true);
    assert.deepEqual(await updates(alice, room), []);
  });

  test('a stale epoch writes nothing', async () => {
    const { alice, bob, room, epoch: stale } = await pair();
    const { self } = await bob.join(room, 'bob', { state: { a: 1 } });
    const refused = { ok: true, changed: false, epoch: self.epoch, stale: true };
    const patchState = { a: 2 };
    assert.deepEqual(await bob.heartbeat({ roomId: room, epoch: stale, patchState }), refused);
    assert.deepEqual(await bob.heartbeat({ roomId: room, epoch: stale }), refused);
    assert.deepEqual(await bob.heartbeat({ roomId: room, epoch: 0, patchState }), refused);
    assert.deepEqual(await updates(alice, room), []);
  });

  test('a higher epoch counts as current and is not adopted', async () => {
    const { alice, bob, room, epoch } = await pair();
    const { seq, ...rest } = await bob.heartbeat({ roomId: room, epoch: epoch + 50, patchState: { a: 1 } });
    assert.deepEqual(rest, { ok: true, changed: true, epoch });
    assert.deepEqual(await bob.heartbeat({ roomId: room, epoch }), { ok: true, changed: false, epoch });
    assert.equal((await alice.event({ roomId: room, seq })).epoch, epoch);
  });

  test('patches take effect in the order sent', async () => {
    const { alice, bob, room } = await pair();
    const acks = await Promise.all(Array.from({ length: 20 }, (_, n) => bob.patch(room, { n })));
    const seqs = acks.map((ack) => ack.seq);
    assert.deepEqual(
      seqs,
      [...seqs].sort((a, b) => a - b),
    );
    const seen = await updates(alice, room);
    assert.deepEqual(
      seen.map((event) => [event.seq, event.state.n]),
      seqs.map((seq, n) => [seq, n]),
    );
  });

  test('a heartbeat after the join was sent waits for it', async () => {
    const bob = await connect();
    const room = freshRoom();
    const [joined, beat] = await Promise.all([bob.join(room, 'bob'), bob.heartbeat({ roomId: room })]);
    assert.deepEqual(beat, { ok: true, changed: false, epoch: joined.self.epoch });
  });

  test('a heartbeat moves lastSeenMs', async () => {
    const { alice, bob, room } = await pair();
    const seen = async () => (await alice.sync(room)).snapshot.find((m) => m.userId === 'bob').lastSeenMs;
    const before = await seen();
    await until('lastSeenMs moves', async () => {
      await bob.heartbeat();
      return (await seen()) > before;
    });
  });
});
