// An outage of Redis, and what must be so before, during and after it.

import assert from 'node:assert/strict';

import { assertAgree } from './client.mjs';
import { percentile, summary } from './figures.mjs';
import { freshRoom, Stack } from './stack.mjs';
import { sleep, until } from './wait.mjs';

const MEMBERS = 40;
const DROPPED = 12;
const PROBES = 4;
const ACK_MS = 100;
const REFUSED_WITHIN_MS = 2000;
const DONE_WITHIN_MS = 5000;
/** What a figure may be worse by because the machine has other things to do. */
const NOISE_MS = 500;

const graceMs = 60_000;
const shortGraceMs = 1500;

/**
 * @param {import('node:test').TestContext} t
 * @param {import('./stack.mjs').Stack} stack two nodes
 * @param {{ ms: number, begin: () => unknown, end: () => unknown }} outage
 */
export async function surviveOutage(t, stack, outage) {
  const calm = new Stack(); // has no Redis: what the machine itself costs a heartbeat
  try {
    await calm.start({ backend: 'dev' });
    await survive(t, stack, calm, outage);
    calm.finishTest();
  } catch (error) {
    for (const node of stack.nodes) t.diagnostic(node.process.stderr.slice(-2000));
    throw error;
  } finally {
    await calm.stop();
  }
}

async function survive(t, stack, calm, { ms, begin, end }) {
  const room = freshRoom();
  const control = await Promise.all(Array.from({ length: PROBES }, () => calm.connectRaw()));
  for (const [i, client] of control.entries()) await client.join(room, `calm-${i}`);
  const enter = async (i, more) => {
    const client = await stack.connectRaw({}, i % 2);
    const { self } = await client.join(room, `user-${i}`, more);
    return Object.assign(client, { self, userId: `user-${i}` });
  };
  const members = [];
  for (let i = 0; i < MEMBERS; i++) members.push(await enter(i, i >= DROPPED && i % 4 === 3 ? { graceMs } : {}));
  const [dropped, staying] = [members.slice(0, DROPPED), members.slice(DROPPED)];
  const expiring = [await enter(MEMBERS, { graceMs: shortGraceMs }), await enter(MEMBERS + 1, { graceMs: shortGraceMs })];
  const leaving = await enter(MEMBERS + 2);
  for (const client of staying) await client.settled(room);
  const before = new Map(staying.map((client) => [client, client.events.length]));

  await begin();
  const began = Date.now();
  const acks = Promise.all([probe(staying, room, ms), probe(control, room, ms)]);
  const refusals = [];
  for (const at of [500, ms / 2]) {
    await sleep(began + at - Date.now());
    refusals.push(...(await refused(stack, staying, room)));
  }
  for (const client of [...dropped, ...expiring]) client.wire.terminate();
  assert.deepEqual(await leaving.leave(), { ok: true });
  const [beats, calmBeats] = await acks;
  await end();
  const ended = Date.now();

  const gone = [...dropped, ...expiring, leaving].map((client) => client.self.connId);
  const shown = (client) => gone.every((id) => !client.map(room).members.has(id));
  await until('the disconnects are carried out', () => staying.every(shown), DONE_WITHIN_MS);
  const carriedOut = Date.now() - ended;
  await Promise.all(staying.map((client) => until('patches go through', () => accepted(client, room), DONE_WITHIN_MS)));

  t.diagnostic(`heartbeats: ${summary(beats)}; of a server without Redis: ${summary(calmBeats)}`);
  t.diagnostic(`refused after: ${summary(refusals)}; disconnects carried out ${carriedOut} ms after the outage`);
  assert.ok(percentile(beats, 50) < ACK_MS, `heartbeats took ${summary(beats)}`);
  const usual = percentile(calmBeats, 99);
  assert.ok(percentile(beats, 99) < ACK_MS + 4 * usual, `heartbeats took ${summary(beats)}, without Redis ${summary(calmBeats)}`);
  assert.ok(Math.max(...refusals) < REFUSED_WITHIN_MS + NOISE_MS, `refused after ${summary(refusals)}`);

  // Joins that were refused are undone; nobody else came or went.
  const users = staying.map((client) => client.userId).sort();
  const right = () => staying[0].map(room).view().map((member) => member.userId).sort().join() === users.join();
  await until('only those are in the room who should be', right);
  await staying[0].settled(room);
  await assertAgree(room, ...staying);
  for (const client of staying) {
    const seen = client.events.slice(before.get(client)).filter((event) => !event.userId.startsWith('refused'));
    const left = seen.filter((event) => event.type === 'leave');
    assert.deepEqual(left.map((event) => event.connId).sort(), [...gone].sort(), 'each left once, and nobody else');
    // Nobody tells a node that finds out by comparing why a member left.
    for (const { connId, reason } of left) {
      assert.ok(['disconnect', 'leave', 'node_lost'].includes(reason), `${connId} left: ${reason}`);
    }
    assert.deepEqual(seen.filter((event) => event.type === 'join'), []);
  }
}

/** How long heartbeats without a patch take, over some time. */
async function probe(clients, room, ms) {
  const times = [];
  const one = async (client) => {
    for (const end = Date.now() + ms; Date.now() < end; await sleep(50)) {
      const start = performance.now();
      const ack = await client.heartbeat({ roomId: room });
      times.push(performance.now() - start);
      assert.equal(ack.ok, true, JSON.stringify(ack));
    }
  };
  await Promise.all(clients.slice(0, PROBES).map(one));
  return times;
}

/** Asks for what needs Redis, and returns how long the refusals took. */
async function refused(stack, staying, room) {
  const newcomers = [await stack.connectRaw({}, 0), await stack.connectRaw({}, 1)];
  const requests = [
    ...newcomers.map((client, i) => () => client.join(room, `refused-${i}`)),
    ...newcomers.map((client, i) => () => client.join(freshRoom(), `refused-${i}`)),
    ...staying.slice(-4).map((client) => () => client.patch(room, { during: Math.random() })),
  ];
  return Promise.all(
    requests.map(async (request) => {
      const start = performance.now();
      const ack = await request();
      assert.deepEqual([ack.ok, ack.code], [false, 'unavailable'], JSON.stringify(ack));
      return performance.now() - start;
    }),
  );
}

async function accepted(client, room) {
  const ack = await client.heartbeat({ roomId: room, epoch: client.self.epoch, patchState: { after: Math.random() } });
  return ack.ok && ack.changed;
}
