// A Redis that forgets everything: the owners of the members write them again.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertAgree } from '../lib/client.mjs';
import { describeProxied } from '../lib/proxied.mjs';
import { freshRoom } from '../lib/stack.mjs';
import { sleep, until } from '../lib/wait.mjs';

const MEMBERS = 60;
const ROOMS = 6;
const RESTORED_WITHIN_MS = 5000;
const DOWN_MS = 1000;
// Members that the store lost are shown for so long, for their owners to write them again.
const KEPT_MS = 10_000;
const graceMs = 60_000;

/** How Redis forgets, something happening meanwhile. Returns since when it can be reached. */
const LOSSES = {
  FLUSHALL: async (stack, meanwhile) => {
    await stack.redis.command('FLUSHALL');
    const lost = Date.now();
    meanwhile();
    return lost;
  },
  'Redis killed and restarted empty': async (stack, meanwhile) => {
    await stack.replaceRedis(async () => {
      meanwhile();
      await sleep(DOWN_MS);
    });
    return Date.now();
  },
};

for (const [name, lose] of Object.entries(LOSSES)) {
  describeProxied(name, { nodes: 3 }, (stack) => {
    test('members are restored in time, and nobody notices', async (t) => {
      const rooms = Array.from({ length: ROOMS }, freshRoom);
      const clients = [];
      for (let i = 0; i < MEMBERS; i++) {
        const client = await stack.connectRaw({}, i % 3);
        const room = rooms[i % ROOMS];
        const ack = await client.join(room, `user-${i}`, { state: { n: i }, ...(i % 2 ? { graceMs } : {}) });
        clients.push(Object.assign(client, { room, self: ack.self, userId: `user-${i}` }));
      }
      // One in grace, which its node restores too, and one that has left.
      const gone = clients[1];
      gone.wire.terminate();
      const leaver = clients[2];
      await leaver.leave();
      const dropped = clients[4];
      const live = clients.filter((client) => ![gone, leaver, dropped].includes(client));
      await until('the one in grace is shown away', () => watcherOf(gone.room).map(gone.room).members.get(gone.self.connId)?.status === 'away');
      for (const client of live) await client.settled(client.room);
      const before = new Map(live.map((client) => [client, client.events.length]));
      const keys = await stack.redis.keys();

      const lost = await lose(stack, () => dropped.wire.terminate());
      const expected = (room) => clients.filter((client) => client.room === room && ![leaver, dropped].includes(client)).length;
      const restored = async () => {
        for (const room of rooms) if ((await membersIn(room)) !== expected(room)) return false;
        return true;
      };
      await until('every member is restored', restored, RESTORED_WITHIN_MS);
      const needed = keys.filter((key) => !key.includes(dropped.id) && key !== `prs:1:user:${dropped.userId}`).join();
      await until('every key is back', async () => (await stack.redis.keys()).join() === needed, RESTORED_WITHIN_MS);
      t.diagnostic(`restored ${Date.now() - lost} ms after Redis could be reached`);

      for (const client of live) {
        const ack = await client.heartbeat({ roomId: client.room, epoch: client.self.epoch, patchState: { late: true } });
        assert.deepEqual([ack.ok, ack.changed, ack.stale], [true, true, undefined], `the epoch of the join is still good: ${JSON.stringify(ack)}`);
      }
      assert.ok(Date.now() - lost < RESTORED_WITHIN_MS, 'patches take effect in time');

      // The member in grace can still be resumed, elsewhere too.
      const back = await stack.connect('websocket only', 0);
      const ack = await back.join(gone.room, gone.userId, { resume: gone.self.resume, graceMs });
      assert.deepEqual([ack.resumed, ack.self.connId], [true, gone.self.connId]);

      for (const room of rooms) {
        const inside = live.filter((client) => client.room === room);
        const right = () => inside.every((client) => client.map(room).members.size === expected(room));
        await until('the one that was lost with the data is gone', right, KEPT_MS + 3000);
        await inside[0].settled(room);
        await assertAgree(room, ...inside);
      }
      for (const client of live) {
        const seen = client.events.slice(before.get(client)).filter((event) => event.type !== 'update');
        const what = seen.map(({ type, userId, reason }) => [type, userId, reason]);
        const real = client.room === dropped.room ? [['leave', dropped.userId, 'disconnect']] : [];
        assert.deepEqual(what, real, 'nobody came or went but the one that did');
      }

      function watcherOf(room) {
        return live.find((client) => client.room === room);
      }
    });

    async function membersIn(room) {
      const fields = await stack.redis.command('HKEYS', `prs:1:{room:${room}}`);
      return fields.filter((field) => field.startsWith('m:')).length;
    }
  });
}
