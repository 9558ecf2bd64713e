// Masters that are replaced and slots that move while members change their
// state: nobody is reported gone, and soon everybody sees the same.
// E2E_REDIS: single, since it brings its own.

import { test } from 'node:test';

import { Crowd } from '../lib/crowd.mjs';
import { Rig } from '../lib/rig.mjs';
import { describeStack } from '../lib/stack.mjs';
import { sleep } from '../lib/wait.mjs';

/** How long everybody talks before something happens, and after it. */
const TALK_MS = 500;

/**
 * @param {string} what
 * @param {() => Promise<Rig>} rig
 * @param {boolean} heals whether each test needs servers that the one before hurt
 * @param {[string, (rig: Rig, rooms: string[]) => Promise<void>][]} faults
 */
function survives(what, rig, heals, faults) {
  let running;
  const redis = async () => {
    running = await rig();
    return running.view();
  };
  describeStack(what, { backend: 'serve', nodes: 2, redis }, (stack) => {
    for (const [name, hurt] of faults) {
      test(name, async (t) => {
        const crowd = await Crowd.join(stack, { rooms: 8, members: 6 });
        crowd.talk();
        await sleep(TALK_MS);
        const begun = Date.now();
        await hurt(running, crowd.rooms);
        const hurtMs = Date.now() - begun;
        await sleep(TALK_MS);
        await crowd.agree();
        const agreedMs = Date.now() - begun;
        if (heals) await running.order('heal');
        t.diagnostic(`Redis took ${hurtMs} ms, all agree after ${agreedMs} ms`);
      });
    }
  });
}

const key = (room) => `prs:1:{room:${room}}`;

survives('3+3 cluster', () => Rig.start('cluster', 3, 1), true, [
  ['slots move', async (rig, rooms) => {
    for (const room of rooms) await rig.order('move', key(room));
  }],
  ['failover on request', (rig, [room]) => rig.order('failover', key(room))],
  ['a killed master', (rig, [room]) => rig.order('kill', key(room))],
  ['a frozen master', (rig, [room]) => rig.order('freeze', key(room))],
]);

survives('master behind Sentinels', () => Rig.start('sentinel', 2, 3), false, [
  ['failover on request', (rig) => rig.order('failover')],
  ['a killed master', (rig) => rig.order('kill')],
]);
