// One user with several connections.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describeStack, freshRoom } from '../lib/stack.mjs';

/** @param {import('../lib/stack.mjs').Stack} stack @param {number[]} nodes where the two tabs connect */
function countsTabs(stack, nodes) {
  test('userConns counts the connections of a user', async () => {
    const alice = await stack.connect();
    const room = freshRoom();
    await alice.join(room, 'alice');
    const tabs = [];
    for (const node of nodes) {
      const tab = await stack.connect('websocket only', node);
      await tab.join(room, 'bob');
      tabs.push(tab);
    }
    await tabs[0].patch(room, { a: 1 });
    await tabs[0].join(room, 'bob');
    await tabs[0].leave();
    tabs[1].wire.terminate();
    await alice.event({ roomId: room, userId: 'bob', userConns: 0 });

    const seen = (await alice.settled(room)).filter((event) => event.userId === 'bob');
    assert.deepEqual(
      seen.map(({ type, connId, userConns }) => [type, tabs.findIndex((tab) => tab.id === connId), userConns]),
      [
        ['join', 0, 1],
        ['join', 1, 2],
        ['update', 0, 2],
        ['join', 0, 2],
        ['leave', 0, 1],
        ['leave', 1, 0],
      ],
    );
  });
}

describeStack('dev', { backend: 'dev' }, (stack) => countsTabs(stack, [0, 0]));
describeStack('serve, one node', { backend: 'serve' }, (stack) => countsTabs(stack, [0, 0]));
describeStack('serve, two nodes', { backend: 'serve', nodes: 2 }, (stack) => countsTabs(stack, [0, 1]));
