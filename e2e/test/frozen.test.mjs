// A node that is gone for longer than its lease, and comes back with its
// clients still connected: frozen, or cut off from Redis.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { assertAgree } from '../lib/client.mjs';
import { Proxy } from '../lib/proxy.mjs';
import { Server } from '../lib/server.mjs';
import { freshRoom, Stack } from '../lib/stack.mjs';
import { sleep, until } from '../lib/wait.mjs';

// Nodes judge others only after this long with unbroken beats of their own.
const STEADY_MS = 12_000;
const GONE_MS = 10_000;
const HEALED_WITHIN_MS = 5000;
const PLAIN = 20;
const graceMs = 60_000;

/** How it goes and comes back, given the node and its way to Redis. */
const ABSENCES = {
  SIGSTOP: { begin: (node) => node.process.signal('SIGSTOP'), end: (node) => node.process.signal('SIGCONT') },
  'no way to Redis': { begin: (_, proxy) => proxy.silence(), end: (_, proxy) => proxy.speak() },
};

describe('one of three nodes is gone for longer than its lease', { concurrency: true }, () => {
  for (const [name, { begin, end }] of Object.entries(ABSENCES)) {
    describe(name, () => {
      const stack = new Stack();
      let proxy;
      before(async () => {
        await stack.start({ backend: 'serve', nodes: 0 });
        proxy = await Proxy.start(() => Number(new URL(stack.redis.url).port));
        stack.nodes.push(await Server.start('serve', { ...stack.env, REDIS_URL: `redis://127.0.0.1:${proxy.port}` }));
        await stack.addNode();
        await stack.addNode();
        await sleep(STEADY_MS);
      });
      after(async () => {
        try {
          stack.finishTest();
        } finally {
          await stack.stop();
          await proxy.stop();
        }
      });

      test('everything agrees when it is back, and nothing that it does undoes anything', async (t) => {
        const scene = await setScene(stack);
        const { room, watchers, plain, staying, moving, leaving } = scene;
        // Some writes are at Redis, or on their way there.
        for (const client of [...staying, ...plain]) {
          for (let v = 1; v <= 5; v++) client.send('presence:heartbeat', { roomId: room, patchState: { v } });
        }
        const began = Date.now();
        begin(stack.nodes[0], proxy);
        // What its clients go on sending may wait until it is back.
        for (const { self, ...client } of [moving, leaving, staying[0], plain[0]]) {
          client.wire.emit('presence:heartbeat', [{ roomId: room, epoch: self.epoch, patchState: { v: 'late' } }]);
        }
        const moved = await comeBackElsewhere(stack, scene);
        const gone = () => watchers[0].seen(room).filter((event) => event.reason === 'node_lost').length === PLAIN;
        await until('its plain members have left', gone, GONE_MS);
        const newcomer = await enter(stack, room, 2, 'newcomer');
        await watchers[1].patch(room, { v: 'meanwhile' });
        await sleep(Math.max(0, began + GONE_MS - Date.now()));

        end(stack.nodes[0], proxy);
        const back = Date.now();
        const everybody = [...watchers, newcomer, moved, ...plain, ...staying];
        await until('every map is the same and right', () => isRight(room, everybody), HEALED_WITHIN_MS);
        t.diagnostic(`every map agreed ${Date.now() - back} ms after it was back`);
        await Promise.all([...staying, ...plain].map((client) => takesEffect(client, room)));
        assert.ok(Date.now() - back < HEALED_WITHIN_MS, 'patches with the epoch of the join take effect again in time');
        for (const old of [moving, leaving]) {
          assert.equal((await old.heartbeat({ roomId: room })).code, 'not_joined', 'the socket that was left behind is out');
        }

        await watchers[0].settled(room);
        await assertAgree(room, ...everybody);
        for (const client of watchers) checkHistory(client, scene, ['node_lost', 'join']);
        checkHistory(newcomer, scene, ['join']);
      });
    });
  }
});

async function enter(stack, room, node, userId, more = {}) {
  const client = await stack.connect('websocket only', node);
  const { self } = await client.join(room, userId, { state: { v: 0 }, ...more });
  return Object.assign(client, { self, userId });
}

/** Members on the node that will be gone, and two on the others who watch. */
async function setScene(stack) {
  const room = freshRoom();
  const watchers = [await enter(stack, room, 1, 'watcher-1'), await enter(stack, room, 2, 'watcher-2')];
  const plain = [];
  for (let i = 0; i < PLAIN; i++) plain.push(await enter(stack, room, 0, `plain-${i}`));
  const staying = [];
  for (let i = 0; i < 3; i++) staying.push(await enter(stack, room, 0, `staying-${i}`, { graceMs }));
  const moving = await enter(stack, room, 0, 'moving', { graceMs });
  const leaving = await enter(stack, room, 0, 'leaving', { graceMs });
  for (const client of stack.clients) await client.settled(room);
  const before = new Map(watchers.map((client) => [client, client.events.length]));
  return { room, watchers, plain, staying, moving, leaving, before };
}

/** Two members resume on other nodes. One goes on there, one leaves. */
async function comeBackElsewhere(stack, { room, moving, leaving }) {
  const moved = await enter(stack, room, 1, 'moving', { state: undefined, resume: moving.self.resume, graceMs });
  const left = await enter(stack, room, 2, 'leaving', { state: undefined, resume: leaving.self.resume, graceMs });
  assert.deepEqual([moved.self.connId, left.self.connId], [moving.self.connId, leaving.self.connId]);
  assert.equal((await moved.patch(room, { v: 'moved' })).changed, true);
  await left.leave();
  return moved;
}

function isRight(room, clients) {
  const users = clients.map((client) => client.userId).sort();
  const [first, ...others] = clients.map((client) => JSON.stringify(client.map(room).view()));
  const members = clients[0].map(room).view();
  return (
    others.every((view) => view === first) &&
    members.every((member) => member.status === 'online') &&
    members.map((member) => member.userId).sort().join() === users.join()
  );
}

async function takesEffect(client, room) {
  const ack = await client.heartbeat({ roomId: room, epoch: client.self.epoch, patchState: { v: 'again' } });
  assert.deepEqual([ack.ok, ack.changed, ack.stale], [true, true, undefined], `${client.userId}: ${JSON.stringify(ack)}`);
}

/** Plain members went through what is given, resumable ones neither left nor joined, and nothing went back to what it was before. */
function checkHistory(client, { before, plain, staying, moving, leaving }, ofPlain) {
  const seen = client.events.slice(before.get(client) ?? 0);
  const of = ({ self }) => seen.filter((event) => event.connId === self.connId);
  const kinds = (member) => of(member).filter((event) => event.type !== 'update').map((event) => event.reason ?? event.type);
  for (const member of plain) assert.deepEqual(kinds(member), ofPlain, `${member.userId} as ${client.userId} saw it`);
  for (const member of [...staying, moving]) assert.deepEqual(kinds(member), [], `${member.userId} as ${client.userId} saw it`);
  const left = kinds(leaving);
  assert.ok(left.length === 0 || left.join() === 'leave', `leaving as ${client.userId} saw it: ${left}`);
  const states = of(moving).map((event) => event.state.v);
  const since = Math.max(0, states.indexOf('moved'));
  assert.ok(states.slice(since).every((v) => v === 'moved'), `moving went through ${states}`);
}
