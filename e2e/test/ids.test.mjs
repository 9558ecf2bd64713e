// Room and user ids are any text without control characters.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describeBackends, freshRoom } from '../lib/stack.mjs';

const IDS = {
  braces: '{room}:{x}}{',
  percent: '%7Broom%7D %25',
  colons: 'prs:conn:a::b:',
  spaces: '  a b  ',
  quotes: '"a" \'b\' \\c\\ /d/',
  emoji: '👩‍👩‍👧 🏳️‍🌈',
  'separators of JavaScript': '\u2028\u2029\ufeff',
  'other scripts': 'комната 部屋 غرفة',
  'a JSON array': '["a","b"]',
  'a name of objects': '__proto__',
  '256 bytes': 'x'.repeat(256),
  '256 bytes of emoji': '😀'.repeat(64),
};

describeBackends({}, (stack) => {
  for (const [name, id] of Object.entries(IDS)) {
    test(`${name}: come back as sent`, async () => {
      const [alice, bob] = [await stack.connect(), await stack.connect()];
      await alice.join(id, 'alice');
      const ack = await bob.join(id, id);
      assert.ok(ack.snapshot.some((member) => member.userId === id && member.connId === bob.id));
      await alice.event({ type: 'join', roomId: id, userId: id });
      assert.equal((await bob.patch(id, { a: 1 })).changed, true);
      await alice.event({ type: 'update', roomId: id, userId: id });
      await bob.request('chat:x', { roomId: id });
      assert.deepEqual(await alice.message('chat:x'), [{ roomId: id }]);
      await bob.leave({ roomId: id });
      await alice.event({ type: 'leave', roomId: id, userId: id });
      await alice.leave();
    });
  }

  test('the limit counts bytes, not characters', async () => {
    const alice = await stack.connect();
    const long = `${'😀'.repeat(64)}x`;
    assert.equal((await alice.join(long, 'alice')).code, 'invalid_payload');
    assert.equal((await alice.join(freshRoom(), long)).code, 'invalid_payload');
  });

  test('ids that differ only in what keys escape are different rooms', async () => {
    const rooms = ['{a}', '%7Ba%7D', '%257Ba%257D', 'a', '{a', 'a}', '{a}:events'];
    for (const room of rooms) {
      const client = await stack.connect();
      const ack = await client.join(room, 'alice');
      assert.equal(ack.snapshot.length, 1, room);
    }
  });
});
