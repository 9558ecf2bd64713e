// Nodes that are killed.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startBalancer } from '../lib/balancer.mjs';
import { assertAgree } from '../lib/client.mjs';
import { summary } from '../lib/figures.mjs';
import { ReturningClient } from '../lib/returning.mjs';
import { freshRoom, Stack } from '../lib/stack.mjs';
import { sleep, until } from '../lib/wait.mjs';

// Nodes judge others only after this long with unbroken beats of their own.
const STEADY_MS = 12_000;
const MEMBERS = 200;
const GONE_WITHIN_MS = 8000;

describe('kill -9 of two of four nodes', () => {
  const stack = new Stack();
  /** @type {import('../lib/server.mjs').Server[]} */ let doomed;
  /** @type {import('../lib/server.mjs').Server[]} */ let survivors;
  let balancer;
  let behind; // the nodes that the balancer sends clients to
  /** @type {ReturningClient[]} */ const returning = [];

  before(async () => {
    await stack.start({ backend: 'serve', nodes: 4 });
    doomed = stack.nodes.slice(0, 2);
    survivors = stack.nodes.slice(2);
    behind = [doomed[1]];
    balancer = await startBalancer(() => behind);
    await sleep(STEADY_MS);
  });
  after(async () => {
    try {
      await Promise.all(returning.map((client) => client.stop()));
      stack.finishTest();
    } finally {
      for (const client of returning) client.socket.disconnect();
      await stack.stop();
      await balancer.stop();
    }
  });

  /** Clients on the nodes that stay. */
  async function observers(room) {
    const list = [];
    for (const node of [2, 3, 2, 3]) {
      const client = await stack.connect('websocket only', stack.nodes.indexOf(survivors[node - 2]));
      await client.join(room, `observer-${list.length}`);
      list.push(client);
    }
    return list;
  }

  async function kill(node) {
    const at = Date.now();
    node.process.signal('SIGKILL');
    await node.process.ended();
    stack.nodes.splice(stack.nodes.indexOf(node), 1);
    return at;
  }

  const nodeOf = (connId) => stack.redis.command('HGET', `prs:conn:${connId}`, 'node_id');
  const indexOf = (nodeId) => stack.redis.command('EXISTS', `prs:1:{node:${nodeId}}:rooms`);

  test(`${MEMBERS} plain members leave once, within ${GONE_WITHIN_MS} ms`, async (t) => {
    const room = freshRoom();
    const watching = await observers(room);
    for (let i = 0; i < MEMBERS; i++) {
      const client = await stack.connectRaw({}, 0);
      await client.join(room, `plain-${i}`);
    }
    const node = await nodeOf(stack.clients.at(-1).id);
    await Promise.all(watching.map((client) => client.settled(room)));
    const before = watching.map((client) => client.events.length);

    const killed = await kill(doomed[0]);
    const leaves = (client, i) => client.events.slice(before[i]).filter((event) => event.type === 'leave');
    await until('all have left', () => watching.every((client, i) => leaves(client, i).length >= MEMBERS), 20_000);
    const times = watching.flatMap((client, i) => client.arrivals.slice(before[i]).map((at) => at - killed));
    t.diagnostic(`from the kill to the leave: ${summary(times)}`);
    assert.ok(Math.max(...times) < GONE_WITHIN_MS, `the last one left after ${Math.max(...times)} ms`);

    await until("the dead node's index is gone", async () => !(await indexOf(node)));
    for (const [i, client] of watching.entries()) {
      await client.settled(room);
      const seen = client.events.slice(before[i]).filter((event) => !event.state?.mark);
      assert.equal(seen.length, MEMBERS, 'nothing else was shown');
      assert.deepEqual([...new Set(seen.map((event) => event.reason))], ['node_lost']);
      assert.equal(new Set(seen.map((event) => event.connId)).size, MEMBERS, 'each left once');
    }
    const left = (await stack.redis.keys()).filter((key) => key.includes('plain-') || stack.clients.some((c) => !watching.includes(c) && key.endsWith(c.id)));
    assert.deepEqual(left, []);
    assert.equal(watching[0].map(room).view().length, watching.length);
    await assertAgree(room, ...watching);
  });

  test(`${MEMBERS} resumable members come back elsewhere: no leave, no join`, async (t) => {
    const room = freshRoom();
    // Half of them are back at once, half when another node has taken them over.
    const late = { reconnectionDelay: 7000, reconnectionDelayMax: 7000, randomizationFactor: 0 };
    const start = (i) => ReturningClient.start(balancer.url, room, `back-${i}`, i % 2 ? late : {});
    for (let i = 0; i < MEMBERS; i += 50) {
      returning.push(...(await Promise.all(Array.from({ length: 50 }, (_, k) => start(i + k)))));
    }
    const watching = await observers(room);
    const node = await nodeOf(returning[0].self.connId);
    await assertAgree(room, ...watching, ...returning.map((client) => client.current));
    for (const client of returning) client.watch();
    const before = watching.map((client) => client.events.length);

    behind = survivors;
    const killed = await kill(doomed[1]);
    await until('all are back', () => returning.every((client) => client.lives.length > 1 && client.isIn), 20_000);
    t.diagnostic(`all were back ${Date.now() - killed} ms after the kill`);
    await until("the dead node's index is gone", async () => !(await indexOf(node)), 20_000);

    assert.deepEqual(returning.flatMap((client) => client.complaints), []);
    assert.deepEqual(returning.flatMap((client) => client.comingsAndGoings), []);
    const map = watching[0].map(room);
    await until('everybody is shown online', () => map.view().every((member) => member.status === 'online'));
    await watching[0].settled(room);
    await assertAgree(room, ...watching, ...returning.map((client) => client.current));
    for (const [i, client] of watching.entries()) {
      const seen = client.events.slice(before[i]).filter((event) => event.type !== 'update');
      assert.deepEqual(seen, [], 'nobody came or went');
    }
    assert.equal(map.view().length, MEMBERS + watching.length);
  });
});
