// A node that is told to stop.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BACKENDS, describeStack, freshRoom } from '../lib/stack.mjs';
import { until } from '../lib/wait.mjs';

describeStack('SIGTERM to one of two nodes', { backend: 'serve', nodes: 2 }, (stack) => {
  test('plain members leave, resumable ones move, transports are closed', async () => {
    const [stopping] = stack.nodes;
    const watcher = await stack.connect('websocket only', 1);
    const plain = await stack.connect('websocket only', 0);
    const polling = await stack.connect('polling only', 0);
    const movers = [await stack.connect('websocket only', 0), await stack.connect('websocket only', 0)];
    const raw = await stack.connectRaw({}, 0);
    const room = freshRoom();
    await watcher.join(room, 'watcher');
    await plain.join(room, 'plain');
    await polling.join(room, 'polling');
    await raw.join(room, 'raw');
    const tokens = [];
    for (const [i, mover] of movers.entries()) {
      tokens.push((await mover.join(room, `mover-${i}`, { graceMs: 60_000 })).self);
    }

    stopping.terminate();
    for (const client of [plain, polling, ...movers]) {
      // A Socket.IO disconnect packet would be 'io server disconnect', and clients would stay away.
      assert.match(await client.closed(), /^transport (close|error)$/);
    }
    await raw.closed();
    assert.equal(raw.wire.closed.code, 1001);
    assert.ok(!raw.wire.frames.includes('41'), 'no disconnect packet');

    for (const [i, { resume, connId }] of tokens.entries()) {
      const back = await stack.connect('websocket only', 1);
      const ack = await back.join(room, `mover-${i}`, { resume, graceMs: 60_000 });
      assert.deepEqual([ack.resumed, ack.self.connId], [true, connId]);
    }
    await stopping.stop();

    for (const userId of ['plain', 'polling', 'raw']) await watcher.event({ roomId: room, type: 'leave', userId });
    const seen = (await watcher.settled(room)).filter((event) => event.type !== 'join');
    assert.deepEqual(
      seen.map(({ type, userId, reason }) => [type, userId, reason]).sort(),
      ['plain', 'polling', 'raw'].map((userId) => ['leave', userId, 'shutdown']),
    );
    const { snapshot } = await watcher.sync(room);
    assert.deepEqual(snapshot.map((member) => member.userId).sort(), ['mover-0', 'mover-1', 'watcher']);
  });
});

for (const backend of BACKENDS) {
  describeStack(`${backend}: SIGTERM`, { backend }, (stack) => {
    test('refuses new connections and ends with code 0', async () => {
      const [node] = stack.nodes;
      assert.equal((await fetch(`${node.url}/readyz`)).status, 200);
      assert.equal((await fetch(`${node.url}/healthz`)).status, 200);
      const alice = await stack.connect();
      await alice.join(freshRoom(), 'alice');
      node.terminate();
      await alice.closed();
      await until('the port is closed', () => fetch(`${node.url}/healthz`).then(() => false, () => true));
      await node.stop();
    });
  });
}
