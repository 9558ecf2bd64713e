// A node that is killed, and a Redis that forgets everything.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertAgree } from '../lib/client.mjs';
import { describeStack, freshRoom } from '../lib/stack.mjs';
import { sleep, until } from '../lib/wait.mjs';

// Nodes judge others only after this long with unbroken beats of their own.
const STEADY_MS = 12_000;
const MEMBERS = 200;

const leavesOf = (client, room, reason) =>
  client.seen(room).filter((event) => event.type === 'leave' && event.reason === reason);

describeStack('kill -9 of one of two nodes', { backend: 'serve', nodes: 2 }, (stack) => {
  test('its plain members leave once within 8 s, resumable ones come back unseen', async () => {
    const [doomed] = stack.nodes;
    const watcher = await stack.connect('websocket only', 1);
    const room = freshRoom();
    await watcher.join(room, 'watcher');
    for (let i = 0; i < MEMBERS; i++) {
      const client = await stack.connectRaw({}, 0);
      await client.join(room, `user-${i}`);
    }
    const mover = await stack.connectRaw({}, 0);
    const { self } = await mover.join(room, 'mover', { graceMs: 60_000 });
    await sleep(STEADY_MS);

    const killed = Date.now();
    doomed.process.signal('SIGKILL');
    await doomed.process.ended();
    stack.nodes.shift();
    const back = await stack.connect('websocket only', 0);
    const ack = await back.join(room, 'mover', { resume: self.resume, graceMs: 60_000 });
    assert.deepEqual([ack.resumed, ack.self.connId], [true, self.connId]);

    await until(`${MEMBERS} members leave`, () => leavesOf(watcher, room, 'node_lost').length >= MEMBERS, 12_000);
    assert.ok(Date.now() - killed < 8000, `all left within 8 s of the kill, not ${Date.now() - killed} ms`);
    const seen = (await watcher.settled(room)).filter((event) => event.type !== 'join');
    assert.equal(seen.length, MEMBERS, 'each left once, and nothing else was shown');
    assert.equal(new Set(seen.map((event) => event.connId)).size, MEMBERS);
    const left = (await stack.redis.keys()).filter((key) => /user-/.test(key));
    assert.deepEqual(left, []);
    await assertAgree(room, watcher, back);
  });
});

describeStack('FLUSHALL', { backend: 'serve', nodes: 2 }, (stack) => {
  test('members are restored within 5 s, and nobody notices', async () => {
    const room = freshRoom();
    const clients = [];
    for (let i = 0; i < 20; i++) {
      const client = await stack.connectRaw({}, i % 2);
      await client.join(room, `user-${i}`, { state: { n: i } });
      clients.push(client);
    }
    const [watcher] = clients;
    await watcher.settled(room);
    const before = watcher.seen(room).length;
    await stack.redis.command('FLUSHALL');
    const key = async () => (await stack.redis.keys()).find((name) => name.startsWith('prs:{room:'));
    const restored = async () => {
      const name = await key();
      return name && Object.keys(await stack.redis.hash(name)).filter((field) => field.startsWith('m:')).length === 20;
    };
    await until('every member is restored', restored, 5000);
    assert.equal(watcher.seen(room).length, before, 'no client saw anything');
    const ack = await clients[1].heartbeat({ roomId: room, epoch: 1, patchState: { late: true } });
    assert.deepEqual([ack.ok, ack.changed], [true, true], 'the epoch of the join is still good');
    await watcher.event({ roomId: room, type: 'update', userId: 'user-1' });
    await assertAgree(room, ...clients);
  });
});
