// What operators find in Redis.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describeStack, freshRoom } from '../lib/stack.mjs';
import { sleep, until } from '../lib/wait.mjs';

const TTL_MS = 1000;

function observesKeys(stack) {
  const key = (connId) => `prs:conn:${connId}`;

  async function assertExpires(connId) {
    const ttl = await stack.redis.command('PTTL', key(connId));
    assert.ok(ttl > 0 && ttl <= TTL_MS, `PTTL ${ttl}`);
  }

  test('prs:conn:<connId> has the documented fields when the join is acked', async () => {
    const alice = await stack.connect();
    const room = freshRoom();
    const { self } = await alice.join(room, 'alice');
    await assertExpires(alice.id);
    const { last_seen_ms, node_id, ...rest } = await stack.redis.hash(key(alice.id));
    assert.deepEqual(rest, { user_id: 'alice', room_id: room, epoch: String(self.epoch) });
    assert.match(node_id, /./);
    assert.match(last_seen_ms, /^\d{13}$/);
    assert.ok(Math.abs(Date.now() - Number(last_seen_ms)) < 5000);
  });

  test('several rooms are a JSON array, the highest epoch counts', async () => {
    const alice = await stack.connect();
    const rooms = [freshRoom(), freshRoom()];
    for (const room of rooms) await alice.join(room, 'alice');
    await alice.join(rooms[0], 'alice');
    const { self } = await alice.join(rooms[0], 'alice');
    const both = await stack.redis.hash(key(alice.id));
    assert.deepEqual(JSON.parse(both.room_id).sort(), [...rooms].sort());
    assert.equal(both.epoch, String(self.epoch));

    await alice.leave({ roomId: rooms[0] });
    const roomLeft = async () => (await stack.redis.hash(key(alice.id))).room_id === rooms[1];
    await until('one room is left', roomLeft);
    await alice.leave();
    await until('the key is gone', async () => !(await stack.redis.command('EXISTS', key(alice.id))));
  });

  test('the owner keeps it alive while the member says nothing', async () => {
    const alice = await stack.connect();
    await alice.join(freshRoom(), 'alice');
    const seen = async () => Number((await stack.redis.hash(key(alice.id))).last_seen_ms);
    const first = await seen();
    for (let waited = 0; waited < 3 * TTL_MS; waited += 100) {
      await assertExpires(alice.id);
      await sleep(100);
    }
    assert.ok((await seen()) >= first);
  });

  test('a member in grace keeps it, a resume moves it to the other node', async () => {
    const bob = await stack.connect('websocket only', 0);
    const room = freshRoom();
    const { self } = await bob.join(room, 'bob', { graceMs: 60_000 });
    const before = await stack.redis.hash(key(self.connId));
    bob.wire.terminate();
    await sleep(2 * TTL_MS);
    await assertExpires(self.connId);

    const again = await stack.connect('websocket only', 1);
    const ack = await again.join(room, 'bob', { resume: self.resume, graceMs: 60_000 });
    assert.equal(ack.resumed, true);
    await assertExpires(self.connId);
    const after = await stack.redis.hash(key(self.connId));
    assert.notEqual(after.node_id, before.node_id);
    assert.equal(after.epoch, String(ack.self.epoch));
    await sleep(2 * TTL_MS);
    await assertExpires(self.connId);
    await again.leave();
    await until('the key is gone', async () => !(await stack.redis.command('EXISTS', key(self.connId))));
  });

  test('when a room empties nothing of it remains', async () => {
    const clients = [];
    const room = freshRoom();
    for (let i = 0; i < 4; i++) {
      const client = await stack.connect('websocket only', i % 2);
      await client.join(room, `user-${i % 3}`, { graceMs: i % 2 ? 200 : 0 });
      clients.push(client);
    }
    const mine = (await stack.redis.keys()).filter((name) => name.includes(room));
    assert.deepEqual(mine, [`prs:1:{room:${room}}`]);
    await clients[0].leave();
    clients[1].wire.disconnect();
    clients[2].wire.terminate();
    clients[3].wire.terminate();
    await stack.emptied();
  });

  test('servers that are stopped leave nothing of plain members', async () => {
    for (const node of [0, 1]) {
      const client = await stack.connect('websocket only', node);
      await client.join(freshRoom(), 'alice');
      await client.join(freshRoom(), 'alice');
    }
    for (const node of stack.nodes) await node.stop();
    await stack.emptied();
    const signs = await stack.redis.command('ZRANGE', 'prs:1:nodes', 0, -1, 'WITHSCORES');
    const alive = signs.filter((text, i) => i % 2 === 1 && Number(text) >= 0);
    assert.deepEqual(alive, [], 'a stopped node is marked dead');
  });
}

describeStack(
  'serve, two nodes',
  { backend: 'serve', nodes: 2, env: { PRESENCE_TTL_MS: String(TTL_MS), PRESENCE_REAPER_LOOKBACK_MS: '60000' } },
  observesKeys,
);
