// presence:join: the ack, the snapshot, the broadcast, joining again.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertAgree } from '../lib/client.mjs';
import { describeMatrix, freshRoom } from '../lib/stack.mjs';

const MEMBER = ['connId', 'epoch', 'joinedMs', 'lastSeenMs', 'state', 'status', 'userId'];

/** The client's clock and the server's are those of one machine. */
function assertRecent(ms) {
  assert.ok(Number.isInteger(ms), `${ms} is an integer`);
  assert.ok(Math.abs(Date.now() - ms) < 5000, `${ms} is recent`);
}

describeMatrix(({ stack, connect }) => {
  test('the ack holds the fields of the protocol and no others', async () => {
    const alice = await connect();
    const room = freshRoom();
    const ack = await alice.join(room, 'alice', { state: { mood: 'glad' } });

    assert.deepEqual(Object.keys(ack).sort(), ['ok', 'resumed', 'self', 'seq', 'snapshot']);
    assert.equal(ack.ok, true);
    assert.equal(ack.resumed, false);
    assert.ok(Number.isSafeInteger(ack.seq) && ack.seq > 0);
    assert.deepEqual(Object.keys(ack.self).sort(), ['connId', 'epoch']);
    assert.equal(ack.self.connId, alice.id);
    assert.ok(Number.isInteger(ack.self.epoch) && ack.self.epoch >= 1);
    assert.equal(ack.snapshot.length, 1);
    const [member] = ack.snapshot;
    assert.deepEqual(Object.keys(member).sort(), MEMBER);
    assertRecent(member.joinedMs);
    assertRecent(member.lastSeenMs);
    const { userId, connId, epoch, state, status } = member;
    assert.deepEqual(
      { userId, connId, epoch, state, status },
      { userId: 'alice', connId: alice.id, epoch: ack.self.epoch, state: { mood: 'glad' }, status: 'online' },
    );
  });

  test('the connId is not the secret id of the transport', async () => {
    const alice = await connect();
    const ack = await alice.join(freshRoom(), 'alice');
    assert.notEqual(ack.self.connId, alice.wire.transportId);
  });

  test('others see one join, the joiner its own after the ack', async () => {
    const [alice, bob] = [await connect(), await connect()];
    const room = freshRoom();
    await alice.join(room, 'alice');
    const ack = await bob.join(room, 'bob', { state: { n: 1 } });

    const joined = await alice.event({ roomId: room, userId: 'bob' });
    const { type, connId, state, epoch, userConns, status, ts } = joined;
    assert.deepEqual(
      { type, connId, state, epoch, userConns, status },
      { type: 'join', connId: bob.id, state: { n: 1 }, epoch: ack.self.epoch, userConns: 1, status: 'online' },
    );
    assertRecent(ts);
    assert.ok(ack.seq >= joined.seq);
    assert.deepEqual(ack.snapshot.map((member) => member.userId).sort(), ['alice', 'bob']);

    const own = (await bob.settled(room)).filter((event) => event.type === 'join');
    assert.deepEqual(own, ack.seq === joined.seq ? [joined] : []);
    await assertAgree(room, alice, bob);
  });

  test('events of the joins that follow carry rising seqs', async () => {
    const room = freshRoom();
    const alice = await connect();
    await alice.join(room, 'alice');
    for (const name of ['bob', 'carol', 'dave']) await (await connect()).join(room, name);
    await alice.event({ roomId: room, userId: 'dave' });
    const events = alice.seen(room);
    assert.deepEqual(
      events.map((event) => event.userId),
      ['alice', 'bob', 'carol', 'dave'],
    );
    assert.deepEqual(
      events.slice(1).map((event) => event.prev),
      events.slice(0, -1).map((event) => event.seq),
    );
  });

  test('null in an optional field means left out', async () => {
    const alice = await connect();
    const ack = await alice.join(freshRoom(), 'alice', { state: null, resume: null, graceMs: null });
    assert.equal(ack.resumed, false);
    assert.deepEqual(ack.snapshot[0].state, {});
    assert.deepEqual(Object.keys(ack.self).sort(), ['connId', 'epoch']);
  });

  test('a graceMs above 0 gives the grace in force and a token', async () => {
    const alice = await connect();
    const { self } = await alice.join(freshRoom(), 'alice', { graceMs: 1500 });
    assert.deepEqual(Object.keys(self).sort(), ['connId', 'epoch', 'graceMs', 'resume']);
    assert.equal(self.graceMs, 1500);
    assert.equal(typeof self.resume, 'string');

    const capped = await alice.join(freshRoom(), 'alice', { graceMs: 10_000_000 });
    assert.equal(capped.self.graceMs, 120_000);
    const none = await alice.join(freshRoom(), 'alice', { graceMs: 0 });
    assert.deepEqual(Object.keys(none.self).sort(), ['connId', 'epoch']);
  });

  test('joining again replaces the state, raises the epoch, broadcasts join', async () => {
    const [alice, bob] = [await connect(), await connect()];
    const room = freshRoom();
    await alice.join(room, 'alice');
    const first = await bob.join(room, 'bob', { state: { a: 1, b: 2 } });
    const second = await bob.join(room, 'bob', { state: { c: 3 } });
    const third = await bob.join(room, 'bob');

    assert.ok(second.self.epoch > first.self.epoch);
    assert.ok(third.self.epoch > second.self.epoch);
    assert.equal(third.snapshot.length, 2);
    assert.equal(third.resumed, false);
    const seen = (await alice.settled(room)).filter((event) => event.userId === 'bob');
    assert.deepEqual(
      seen.map(({ type, state, epoch, userConns }) => ({ type, state, epoch, userConns })),
      [
        { type: 'join', state: { a: 1, b: 2 }, epoch: first.self.epoch, userConns: 1 },
        { type: 'join', state: { c: 3 }, epoch: second.self.epoch, userConns: 1 },
        { type: 'join', state: {}, epoch: third.self.epoch, userConns: 1 },
      ],
    );
    await bob.settled(room);
    await assertAgree(room, alice, bob);
  });

  test('joining as another user is a leave, not sent to itself, then a join', async () => {
    const [alice, bob] = [await connect(), await connect()];
    const room = freshRoom();
    await alice.join(room, 'alice');
    const first = await bob.join(room, 'bob', { state: { old: true } });
    const second = await bob.join(room, 'robert', { state: { fresh: true } });

    assert.ok(second.self.epoch > first.self.epoch);
    assert.equal(second.self.connId, bob.id);
    const seen = (await alice.settled(room)).filter((event) => event.connId === bob.id);
    assert.deepEqual(
      seen.map(({ type, userId, state, userConns, reason }) => ({ type, userId, state, userConns, reason })),
      [
        { type: 'join', userId: 'bob', state: { old: true }, userConns: 1, reason: undefined },
        { type: 'leave', userId: 'bob', state: null, userConns: 0, reason: 'leave' },
        { type: 'join', userId: 'robert', state: { fresh: true }, userConns: 1, reason: undefined },
      ],
    );
    const own = (await bob.settled(room)).map((event) => event.type);
    assert.ok(!own.includes('leave'));
    await assertAgree(room, alice, bob);
  });

  test('a join without an acknowledgement is carried out', async () => {
    const [alice, bob] = [await connect(), await connect()];
    const room = freshRoom();
    await alice.join(room, 'alice');
    bob.unjudged = true;
    bob.send('presence:join', { roomId: room, userId: 'bob' });
    await alice.event({ roomId: room, type: 'join', userId: 'bob' });
  });

  test('requests for one room take effect in the order sent', async () => {
    const [alice, bob] = [await connect(), await connect()];
    const room = freshRoom();
    await alice.join(room, 'alice');
    const answered = [];
    const note = (name) => (ack) => answered.push([name, ack.ok]);
    await Promise.all([
      bob.join(room, 'bob', { state: { n: 0 } }).then(note('join')),
      bob.heartbeat({ roomId: room }).then(note('heartbeat')),
      bob.patch(room, { n: 1 }).then(note('patch')),
      bob.patch(room, { n: 2 }).then(note('patch')),
      bob.leave({ roomId: room }).then(note('leave')),
    ]);
    assert.ok(answered.every(([, ok]) => ok), JSON.stringify(answered));
    const seen = (await alice.settled(room)).filter((event) => event.userId === 'bob');
    assert.deepEqual(
      seen.map(({ type, state }) => [type, state]),
      [
        ['join', { n: 0 }],
        ['update', { n: 1 }],
        ['update', { n: 2 }],
        ['leave', null],
      ],
    );
  });
});
