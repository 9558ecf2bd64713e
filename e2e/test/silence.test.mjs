// Connections that say nothing are reaped; answering pings is saying enough.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describeBackends, freshRoom } from '../lib/stack.mjs';
import { sleep } from '../lib/wait.mjs';

const LOOKBACK_MS = 1500;
const env = {
  PRESENCE_TTL_MS: '1000',
  PRESENCE_REAPER_LOOKBACK_MS: String(LOOKBACK_MS),
  PRESENCE_REAPER_INTERVAL_MS: '200',
};

describeBackends({ env }, (stack) => {
  for (const [name, more] of [
    ['plain', {}],
    ['resumable', { graceMs: 300 }],
  ]) {
    test(`a silent ${name} member is reaped with reason timeout`, async () => {
      const [alice, silent] = [await stack.connect(), await stack.connectRaw({ pong: false })];
      const room = freshRoom();
      await alice.join(room, 'alice');
      await silent.join(room, 'silent', more);
      const gone = await alice.event({ roomId: room, type: 'leave' });
      assert.deepEqual([gone.userId, gone.reason, gone.userConns], ['silent', 'timeout', 0]);
      await silent.closed();
    });
  }

  test('a member that only answers pings stays', async () => {
    const [alice, quiet] = [await stack.connect(), await stack.connectRaw()];
    const room = freshRoom();
    await alice.join(room, 'alice');
    await quiet.join(room, 'quiet');
    await sleep(4 * LOOKBACK_MS);
    assert.deepEqual((await alice.settled(room)).filter((event) => event.type === 'leave'), []);
    assert.ok(quiet.wire.open);
    const { snapshot } = await alice.sync(room);
    const { lastSeenMs } = snapshot.find((member) => member.userId === 'quiet');
    assert.ok(Date.now() - lastSeenMs < LOOKBACK_MS, 'its pongs count as signs of life');
  });
});
