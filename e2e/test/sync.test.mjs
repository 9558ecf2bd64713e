// presence:sync, for members that saw a gap.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { memberView } from '../lib/members.mjs';
import { describeMatrix, freshRoom } from '../lib/stack.mjs';

describeMatrix(({ connect }) => {
  async function pair() {
    const [alice, bob] = [await connect(), await connect()];
    const room = freshRoom();
    const first = await alice.join(room, 'alice');
    const { seq } = await bob.join(room, 'bob', { state: { a: [] } });
    await alice.event({ roomId: room, seq });
    return { alice, room, old: first.seq, seq };
  }

  test('a current seq is answered unchanged', async () => {
    const { alice, room, seq } = await pair();
    assert.deepEqual(await alice.sync(room, { seq }), { ok: true, seq, unchanged: true });
  });

  test('an older seq, and none, are answered with the room', async () => {
    const { alice, room, old, seq } = await pair();
    const view = alice.map(room).view();
    for (const more of [{ seq: old }, { seq: 0 }, { seq: null }, {}]) {
      const ack = await alice.sync(room, more);
      assert.deepEqual(Object.keys(ack).sort(), ['ok', 'seq', 'snapshot']);
      assert.equal(ack.seq, seq);
      assert.deepEqual(memberView(ack.snapshot), view);
    }
  });

  test('a room that the connection is not in is not_joined', async () => {
    const { alice } = await pair();
    assert.equal((await alice.sync(freshRoom())).code, 'not_joined');
  });
});
