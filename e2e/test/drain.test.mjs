// A node that is told to stop.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BACKENDS, describeStack, freshRoom, TRANSPORTS } from '../lib/stack.mjs';
import { sleep, until } from '../lib/wait.mjs';
import { RawWire } from '../lib/wire-raw.mjs';

const DRAIN_MS = 2000;
const GRACE_MS = 1500;
const env = { DRAIN_MS: String(DRAIN_MS) };

describeStack('SIGTERM to one of two nodes', { backend: 'serve', nodes: 2, env }, (stack) => {
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

    const joins = watcher.seen(room).filter((event) => event.type === 'join').length;
    for (const [i, { resume, connId }] of tokens.entries()) {
      const back = await stack.connect('websocket only', 1);
      const ack = await back.join(room, `mover-${i}`, { resume, graceMs: 60_000 });
      assert.deepEqual([ack.resumed, ack.self.connId], [true, connId]);
    }
    await stopping.stop();

    for (const userId of ['plain', 'polling', 'raw']) await watcher.event({ roomId: room, type: 'leave', userId });
    const seen = await watcher.settled(room);
    assert.equal(seen.filter((event) => event.type === 'join').length, joins, 'nobody joined');
    assert.deepEqual(
      seen.filter((event) => event.type === 'leave').map(({ userId, reason }) => `${userId} ${reason}`).sort(),
      ['plain shutdown', 'polling shutdown', 'raw shutdown'],
    );
    const { snapshot } = await watcher.sync(room);
    assert.deepEqual(snapshot.map((member) => member.userId).sort(), ['mover-0', 'mover-1', 'watcher']);
  });
});

describeStack('SIGTERM to one of two nodes with many clients', { backend: 'serve', nodes: 2, env }, (stack) => {
  test('connections close one by one, and work until then', async (t) => {
    const rooms = [freshRoom(), freshRoom()];
    const [stopping] = stack.nodes;
    const watcher = await stack.connect('websocket only', 1);
    const clients = [];
    for (let i = 0; i < 12; i++) {
      const client = await stack.connect(Object.keys(TRANSPORTS)[i % 3], 0);
      clients.push(Object.assign(client, { userId: `user-${i}`, graceMs: i % 2 ? GRACE_MS : 0 }));
    }
    for (const room of rooms) {
      await watcher.join(room, 'watcher');
      for (const client of clients) await client.join(room, client.userId, { graceMs: client.graceMs });
    }
    await until('the last join is seen', () => watcher.seen(rooms[1]).some((event) => event.userId === 'user-11'));

    stopping.terminate();
    await until('not ready', async () => (await fetch(`${stopping.url}/readyz`)).status === 503);
    const answers = await Promise.all(clients.map((client) => askUntilClosed(client, rooms)));
    for (const acks of answers) assert.deepEqual(acks.filter((ack) => !ack.right), []);
    const closings = clients.map((client) => client.closedAt).sort((a, b) => a - b);
    const spread = closings.at(-1) - closings[0];
    t.diagnostic(`${clients.length} connections closed over ${spread} ms, after ${answers.flat().length} answers`);
    const later = answers.filter((acks) => acks.some((ack) => ack.at > closings[0]));
    assert.ok(later.length >= clients.length / 3, `${later.length} connections were answered after the first had closed`);
    assert.ok(answers.flat().length > clients.length, 'requests were answered during the drain');
    await stopping.stop();

    for (const room of rooms) {
      const leaves = () => watcher.seen(room).filter((event) => event.type === 'leave');
      await until('everybody has left', () => leaves().length >= clients.length);
      await watcher.settled(room);
      assert.deepEqual(leaves().map((event) => event.userId).sort(), clients.map((client) => client.userId).sort());
      for (const { userId, ts, reason } of leaves()) {
        const { closedAt, graceMs } = clients.find((client) => client.userId === userId);
        assert.equal(reason, 'shutdown');
        assert.ok(Math.abs(ts - closedAt - graceMs) < DRAIN_MS, `${userId} left ${ts - closedAt} ms after its connection closed`);
      }
    }
  });

  /** Sends requests until the connection closes, and returns what came back. */
  async function askUntilClosed(client, [room]) {
    const acks = [];
    const ask = (name, payload, isRight) => client.wire.emit(name, [payload], (ack) => acks.push({ name, ack, right: isRight(ack), at: Date.now() }));
    for (let n = 1; !client.wire.closeReason; n++) {
      ask('presence:heartbeat', { roomId: room }, (ack) => ack.ok);
      ask('presence:heartbeat', { roomId: room, patchState: { n } }, (ack) => ack.ok && ack.changed);
      ask('presence:join', { roomId: freshRoom(), userId: 'u' }, (ack) => ack.code === 'shutting_down');
      await sleep(50);
    }
    client.closedAt = Date.now();
    // A Socket.IO disconnect packet would be 'io server disconnect', and clients would stay away.
    assert.match(client.wire.closeReason, /^transport (close|error)$/);
    return acks;
  }
});

describeStack('SIGTERM to a node with clients that are no help', { backend: 'serve', env }, (stack) => {
  test('it ends all the same', async (t) => {
    const [node] = stack.nodes;
    const [deaf, waiting, idle] = [await stack.connectRaw(), await stack.connectRaw(), await stack.connectRaw()];
    for (const client of [deaf, waiting]) await client.join(freshRoom(), 'somebody', { graceMs: 1000 });
    deaf.wire.pause(); // reads nothing any more, the close frame included
    const probe = await upgrading(node.url); // stops in the middle of its upgrade
    const begin = Date.now();
    node.terminate();
    await Promise.all([waiting.closed(), idle.closed(), until('the upgrade is off', () => probe.closed)]);
    await node.stop();
    t.diagnostic(`it ended ${Date.now() - begin} ms after SIGTERM`);
    deaf.wire.resume();
    await stack.addNode(); // somebody has to end the graces
  });

  /** A client that polls, has sent the probe of an upgrade over WebSocket, and then does nothing. */
  async function upgrading(url) {
    const answer = await fetch(`${url}/socket.io/?EIO=4&transport=polling`);
    const { sid } = JSON.parse((await answer.text()).slice(1));
    return RawWire.probe(url, sid);
  }
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
