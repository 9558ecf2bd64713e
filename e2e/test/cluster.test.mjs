// Two serve processes on one Redis.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertAgree } from '../lib/client.mjs';
import { REDIS_KIND } from '../lib/redis.mjs';
import { describeStack, freshRoom, TRANSPORTS } from '../lib/stack.mjs';

describeStack('two nodes', { backend: 'serve', nodes: 2 }, (stack) => {
  for (const transport of Object.keys(TRANSPORTS)) {
    test(`${transport}: both nodes show the same room`, async () => {
      const room = freshRoom();
      const [alice, bob] = [await stack.connect(transport, 0), await stack.connect(transport, 1)];
      await alice.join(room, 'alice', { state: { at: 0 } });
      const { snapshot } = await bob.join(room, 'bob', { state: { at: 1 } });
      assert.deepEqual(snapshot.map((member) => member.userId).sort(), ['alice', 'bob']);

      await alice.event({ roomId: room, type: 'join', userId: 'bob' });
      await bob.patch(room, { hot: true });
      await alice.patch(room, { cold: true });
      const [a, b] = [await alice.settled(room), await bob.settled(room)];
      assert.deepEqual(a.slice(-2), b.slice(-2));
      await assertAgree(room, alice, bob);

      await alice.leave();
      const gone = await bob.event({ roomId: room, type: 'leave' });
      assert.deepEqual([gone.connId, gone.reason], [alice.id, 'leave']);
    });
  }

  test('a lost connection is seen on the other node', async () => {
    const room = freshRoom();
    const [alice, bob] = [await stack.connect('websocket only', 0), await stack.connect('websocket only', 1)];
    await alice.join(room, 'alice');
    await bob.join(room, 'bob');
    bob.wire.terminate();
    const gone = await alice.event({ roomId: room, type: 'leave' });
    assert.deepEqual([gone.userId, gone.userConns, gone.reason], ['bob', 0, 'disconnect']);
  });

  test('a relayed event reaches each member on every node once', async () => {
    const rooms = [freshRoom(), freshRoom()];
    const clients = [];
    for (const node of [0, 1, 0, 1]) {
      const client = await stack.connect('websocket only', node);
      for (const room of rooms) await client.join(room, `user-${clients.length}`);
      clients.push(client);
    }
    const outsider = await stack.connect('websocket only', 1);
    await outsider.join(freshRoom(), 'outsider');

    const [sender, ...others] = clients;
    assert.deepEqual(await sender.request('chat:one', { roomId: rooms[0], n: 1 }), { ok: true });
    assert.deepEqual(await sender.request('chat:all', { n: 2 }), { ok: true });
    await sender.request('chat:last');
    const all = { name: 'chat:all', args: [{ n: 2 }] };
    const last = { name: 'chat:last', args: [] };
    const one = { name: 'chat:one', args: [{ roomId: rooms[0], n: 1 }] };
    for (const client of others) {
      for (const { name } of [one, all, last]) await client.message(name);
      if (REDIS_KIND === 'single') {
        assert.deepEqual(client.messages, [one, all, last]);
        continue;
      }
      // What goes to one room and what goes to all comes from different masters.
      const byName = client.messages.toSorted((a, b) => (a.name < b.name ? -1 : 1));
      assert.deepEqual(byName, [all, last, one]);
      assert.ok(client.messages.findIndex((m) => m.name === all.name) < client.messages.findIndex((m) => m.name === last.name));
    }
    assert.deepEqual([...sender.messages, ...outsider.messages], []);
  });

  test('a room id is the same room on every node', async () => {
    const id = '{a}:b %7Bc';
    const [alice, bob] = [await stack.connect('websocket only', 0), await stack.connect('websocket only', 1)];
    await alice.join(id, 'alice');
    assert.equal((await bob.join(id, 'bob')).snapshot.length, 2);
    await alice.event({ roomId: id, type: 'join', userId: 'bob' });
  });
});
