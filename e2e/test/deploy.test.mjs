// A deploy: every node is told to stop and replaced, one after the other.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startBalancer } from '../lib/balancer.mjs';
import { assertAgree } from '../lib/client.mjs';
import { ReturningClient } from '../lib/returning.mjs';
import { Server } from '../lib/server.mjs';
import { freshRoom, Stack, TRANSPORTS } from '../lib/stack.mjs';
import { until } from '../lib/wait.mjs';

const CLIENTS = 300;
const ROOMS = 30;
const DRAIN_MS = 3000;

describe('a rolling restart of three nodes', () => {
  const stack = new Stack();
  let balancer;
  /** @type {ReturningClient[]} */
  const clients = [];

  before(async () => {
    await stack.start({ backend: 'serve', nodes: 3, env: { DRAIN_MS: String(DRAIN_MS) } });
    balancer = await startBalancer(() => stack.nodes);
  });
  after(async () => {
    try {
      await Promise.all(clients.map((client) => client.stop()));
      await stack.stop();
    } finally {
      for (const client of clients) client.socket.disconnect();
      await balancer.stop();
    }
  });

  /** Stops a node and starts it again at its address. */
  async function restart(i) {
    const node = stack.nodes[i];
    const PORT = new URL(node.url).port;
    const begin = Date.now();
    node.terminate();
    await until('the node says that it drains', () => fetch(`${node.url}/readyz`).then((r) => r.status === 503, () => true));
    assert.ok(!node.process.exit, 'it does not stop at once');
    await node.stop();
    const took = Date.now() - begin;
    stack.nodes[i] = await Server.start('serve', { ...stack.env, PORT });
    return { begin, took };
  }

  test(`${CLIENTS} clients that resume: no leave, no join, every map right`, async (t) => {
    const rooms = Array.from({ length: ROOMS }, freshRoom);
    const start = (i) => {
      const transports = Object.values(TRANSPORTS);
      // Behind the balancer nothing is sticky: a client that polls goes to one node, and waits for it to be back.
      const url = i % 10 === 0 ? stack.nodes[i % 3].url : balancer.url;
      const options = i % 10 === 0 ? transports[(i / 10) % 3] : TRANSPORTS['websocket only'];
      return ReturningClient.start(url, rooms[i % ROOMS], `user-${i}`, options);
    };
    for (let i = 0; i < CLIENTS; i += 50) {
      clients.push(...(await Promise.all(Array.from({ length: 50 }, (_, k) => start(i + k)))));
    }
    for (const room of rooms) await assertAgree(room, ...inRoom(room));
    for (const client of clients) client.watch();

    const patching = new AbortController();
    const patches = clients.filter((_, i) => i % 3 === 0).map((client) => client.keepPatching(400, patching.signal));
    for (let i = 0; i < stack.nodes.length; i++) {
      const { begin, took } = await restart(i);
      t.diagnostic(`node ${i}: drained in ${took} ms; ${spread(begin)}`);
      await until('all are back', () => clients.every((client) => client.isIn), 20_000);
    }
    patching.abort();
    await Promise.all(patches);

    assert.deepEqual(clients.flatMap((client) => client.complaints), []);
    assert.deepEqual(clients.flatMap((client) => client.comingsAndGoings), [], 'nobody came or went');
    const moved = clients.filter((client) => client.lives.length > 1).length;
    assert.ok(moved > CLIENTS / 2, `${moved} clients were moved at all`);
    for (const room of rooms) await checkRoom(room);
  });

  function inRoom(room) {
    return clients.filter((client) => client.roomId === room).map((client) => client.current);
  }

  /** Every map of the room is the same and right: each member once, online, with its last acknowledged state or a later one. */
  async function checkRoom(room) {
    const members = clients.filter((client) => client.roomId === room);
    const map = members[0].current.map(room);
    const away = () => map.view().filter((member) => member.status !== 'online');
    await until('everybody is shown online', () => away().length === 0).catch((error) => {
      throw new Error(`${error.message}: ${JSON.stringify(away())}`);
    });
    await members[0].current.settled(room); // resumes count, but are not shown: maps may stand at different seqs
    await assertAgree(room, ...inRoom(room));
    assert.deepEqual(map.view().map((member) => member.connId).sort(), members.map((client) => client.self.connId).sort());
    for (const client of members) {
      const { state } = map.members.get(client.self.connId);
      assert.ok((state.n ?? 0) >= client.acked, `${client.userId} has ${state.n}, ${client.acked} was acknowledged`);
    }
  }

  /** How the losses of connections since then were spread. */
  function spread(begin) {
    const lost = clients.flatMap((client) => client.losses.map((loss) => loss.at)).filter((at) => at >= begin);
    const slices = Array.from({ length: 10 }, (_, i) => {
      const from = begin + (i * DRAIN_MS) / 10;
      return lost.filter((at) => at >= from && at < from + DRAIN_MS / 10).length;
    });
    assert.ok(Math.max(...slices) < lost.length / 2, `connections were lost all at once: ${slices}`);
    return `${lost.length} connections lost, per tenth of the drain period ${slices.join(' ')}`;
  }
});
