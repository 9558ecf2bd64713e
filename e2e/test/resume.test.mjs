// Resume: a member with a grace outlives its connection.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { BACKENDS, describeStack, freshRoom } from '../lib/stack.mjs';
import { sleep } from '../lib/wait.mjs';

/**
 * @param {import('../lib/stack.mjs').Stack} stack
 * @param {{ home: number, next: number, awayAfterMs: number }} options the nodes where bob is at first and where he comes back
 */
function resumes(stack, { home, next, awayAfterMs }) {
  const back = () => stack.connect('websocket only', next);

  /** Alice watches; bob is a member with a grace. */
  async function scene(more = {}) {
    const [alice, bob] = [await stack.connect(), await stack.connect('websocket only', home)];
    const room = freshRoom();
    await alice.join(room, 'alice');
    const joined = await bob.join(room, 'bob', { state: { a: 1 }, graceMs: 60_000, ...more });
    return { alice, bob, room, joined, token: joined.self.resume };
  }

  /** What alice saw of bob after his join. */
  async function seenOfBob(alice, room) {
    const events = await alice.settled(room);
    return events.filter((event) => event.userId === 'bob').slice(1);
  }

  for (const pause of [0, 200]) {
    test(`broadcasts nothing at all, ${pause} ms after an abrupt close`, async () => {
      const { alice, bob, room, joined, token } = await scene();
      bob.wire.terminate();
      await sleep(pause);
      const again = await back();
      const ack = await again.join(room, 'bob', { resume: token, graceMs: 60_000 });

      assert.equal(ack.resumed, true);
      assert.equal(ack.self.connId, joined.self.connId);
      assert.notEqual(ack.self.connId, again.id);
      assert.ok(ack.self.epoch > joined.self.epoch);
      assert.deepEqual([ack.self.resume, ack.self.graceMs], [token, 60_000]);
      const member = ack.snapshot.find((m) => m.userId === 'bob');
      assert.deepEqual([member.state, member.status, member.epoch], [{ a: 1 }, 'online', ack.self.epoch]);
      assert.deepEqual(await seenOfBob(alice, room), []);
      assert.deepEqual((await again.settled(room)).filter((event) => event.userId === 'bob'), []);
      await again.leave();
      const gone = await alice.event({ roomId: room, type: 'leave', userId: 'bob' });
      assert.deepEqual([gone.connId, gone.userConns, gone.reason], [joined.self.connId, 0, 'leave']);
    });
  }

  test('shows no away later either', async () => {
    const { alice, bob, room, token } = await scene();
    bob.wire.terminate();
    await (await back()).join(room, 'bob', { resume: token, graceMs: 60_000 });
    await sleep(awayAfterMs + 500);
    assert.deepEqual(await seenOfBob(alice, room), []);
  });

  test('with a changed state gives one update, with an equal one none', async () => {
    const { alice, bob, room, token } = await scene();
    bob.wire.terminate();
    const second = await back();
    const ack = await second.join(room, 'bob', { resume: token, graceMs: 60_000, state: { b: 2 } });
    assert.equal(ack.resumed, true);
    second.wire.terminate();
    await (await back()).join(room, 'bob', { resume: token, graceMs: 60_000, state: { b: 2 } });
    const seen = await seenOfBob(alice, room);
    assert.deepEqual(
      seen.map(({ type, state, status, epoch }) => ({ type, state, status, epoch })),
      [{ type: 'update', state: { b: 2 }, status: 'online', epoch: ack.self.epoch }],
    );
  });

  test('takes over from a socket that still looks open', async () => {
    const { alice, bob: old, room, joined, token } = await scene();
    const again = await back();
    const ack = await again.join(room, 'bob', { resume: token, graceMs: 60_000 });
    assert.deepEqual([ack.resumed, ack.self.connId], [true, joined.self.connId]);

    assert.equal((await old.patch(room, { a: 2 })).code, 'not_joined');
    const count = old.seen(room).length;
    old.wire.terminate();
    await again.patch(room, { a: 3 });
    const seen = await seenOfBob(alice, room);
    assert.deepEqual(seen.map(({ type, state }) => [type, state]), [['update', { a: 3 }]]);
    assert.equal(old.seen(room).length, count);
  });

  test('comes back from away with one update', async () => {
    const { alice, bob, room, token } = await scene();
    bob.wire.terminate();
    const away = await alice.event({ roomId: room, type: 'update', status: 'away' });
    assert.deepEqual([away.userConns, away.state], [1, { a: 1 }]);
    const { snapshot } = await alice.sync(room);
    assert.equal(snapshot.find((m) => m.userId === 'bob').status, 'away');

    await (await back()).join(room, 'bob', { resume: token, graceMs: 60_000 });
    const seen = await seenOfBob(alice, room);
    assert.deepEqual(
      seen.map(({ type, status, state }) => [type, status, state]),
      [
        ['update', 'away', { a: 1 }],
        ['update', 'online', { a: 1 }],
      ],
    );
  });

  test('after a leave with graceMs it comes back unseen', async () => {
    const { alice, bob, room, joined, token } = await scene();
    assert.deepEqual(await bob.leave({ roomId: room, graceMs: 5000 }), { ok: true });
    assert.equal((await bob.heartbeat({ roomId: room })).code, 'not_joined');
    bob.wire.terminate();
    const ack = await (await back()).join(room, 'bob', { resume: token, graceMs: 60_000 });
    assert.deepEqual([ack.resumed, ack.self.connId], [true, joined.self.connId]);
    assert.deepEqual(await seenOfBob(alice, room), []);
  });

  test('a disconnect packet ends the membership, its token is worth nothing', async () => {
    const { alice, bob, room, token } = await scene();
    bob.wire.disconnect();
    await alice.event({ roomId: room, type: 'leave', userId: 'bob' });
    const again = await back();
    const ack = await again.join(room, 'bob', { resume: token });
    assert.deepEqual([ack.ok, ack.resumed, ack.self.connId], [true, false, again.id]);
  });

  test('a token that is wrong, or for another room or user, is an ordinary join', async () => {
    const { room, joined, token } = await scene();
    const elsewhere = freshRoom();
    for (const [target, user, resume] of [
      [room, 'bob', 'x'.repeat(token.length)],
      [room, 'bob', `${token}x`],
      [room, 'mallory', token],
      [elsewhere, 'bob', token],
    ]) {
      const client = await back();
      const ack = await client.join(target, user, { resume });
      assert.deepEqual([ack.ok, ack.resumed, ack.self.connId], [true, false, client.id]);
    }
    const ack = await (await back()).join(room, 'bob', { resume: token });
    assert.deepEqual([ack.resumed, ack.self.connId], [true, joined.self.connId], 'the true one still works');
  });

  test('from a socket that is already in the room it is ignored', async () => {
    const { room, token } = await scene();
    const other = await back();
    await other.join(room, 'bob');
    const ack = await other.join(room, 'bob', { resume: token });
    assert.deepEqual([ack.ok, ack.resumed, ack.self.connId], [true, false, other.id]);
  });

  test('a patch after the resume carries the new epoch', async () => {
    const { alice, bob, room, joined, token } = await scene();
    bob.wire.terminate();
    const again = await back();
    const { self } = await again.join(room, 'bob', { resume: token, graceMs: 60_000 });
    const stale = await again.heartbeat({ roomId: room, epoch: joined.self.epoch, patchState: { a: 2 } });
    assert.deepEqual(stale, { ok: true, changed: false, epoch: self.epoch, stale: true });
    await again.heartbeat({ roomId: room, epoch: self.epoch, patchState: { a: 3 } });
    const seen = await seenOfBob(alice, room);
    assert.deepEqual(seen.map(({ state, epoch }) => [state, epoch]), [[{ a: 3 }, self.epoch]]);
  });
}

function graceRunsOut(stack) {
  async function lost(graceMs, lose) {
    const [alice, bob] = [await stack.connect(), await stack.connect()];
    const room = freshRoom();
    await alice.join(room, 'alice');
    const { self } = await bob.join(room, 'bob', { graceMs });
    const start = Date.now();
    await lose(bob, room);
    const { reason } = await alice.event({ roomId: room, type: 'leave', userId: 'bob' });
    const seen = (await alice.settled(room)).filter((event) => event.userId === 'bob').slice(1);
    return { ms: Date.now() - start, reason, seen, alice, room, token: self.resume };
  }
  const story = (seen) => seen.map(({ type, status, userConns }) => [type, status, userConns]);

  test('one away update, then one leave', async () => {
    const { ms, reason, seen, alice, room, token } = await lost(4200, (bob) => bob.wire.terminate());
    assert.deepEqual(story(seen), [
      ['update', 'away', 1],
      ['leave', undefined, 0],
    ]);
    assert.equal(reason, 'disconnect');
    assert.ok(ms >= 4100, `left after ${ms} ms`);

    const late = await stack.connect();
    const ack = await late.join(room, 'bob', { resume: token });
    assert.deepEqual([ack.resumed, ack.self.connId], [false, late.id]);
    await alice.event({ roomId: room, type: 'join', connId: late.id });
  });

  test('a grace shorter than that shows no away', async () => {
    const { reason, seen } = await lost(300, (bob) => bob.wire.terminate());
    assert.deepEqual(story(seen), [['leave', undefined, 0]]);
    assert.equal(reason, 'disconnect');
  });

  test('the grace of a leave replaces the one of the join', async () => {
    const { ms, reason, seen } = await lost(60_000, async (bob, room) => {
      await bob.leave({ roomId: room, graceMs: 500 });
      bob.wire.terminate();
    });
    assert.deepEqual(story(seen), [['leave', undefined, 0]]);
    assert.equal(reason, 'leave');
    assert.ok(ms >= 450, `left after ${ms} ms`);
  });
}

for (const backend of BACKENDS) {
  describeStack(`${backend}: on the same node`, { backend }, (stack) => {
    resumes(stack, { home: 0, next: 0, awayAfterMs: 2000 });
    describe('a grace that runs out', () => graceRunsOut(stack));
  });
}

const cluster = { backend: 'serve', nodes: 2, env: { PRESENCE_AWAY_AFTER_MS: '500' } };
describeStack('on another node', cluster, (stack) => {
  describe('watched from where he was', () => resumes(stack, { home: 0, next: 1, awayAfterMs: 500 }));
  describe('watched from where he goes', () => resumes(stack, { home: 1, next: 0, awayAfterMs: 500 }));
});
