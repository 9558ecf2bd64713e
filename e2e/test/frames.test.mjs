// Broken frames cost their sender the connection and nobody else anything.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describeBackends, freshRoom } from '../lib/stack.mjs';

const OVERSIZED = `42["presence:heartbeat",{"patchState":{"a":"${'x'.repeat(1_000_001)}"}}]`;
const NOT_UTF8 = Buffer.from([0x34, 0x32, 0x5b, 0x22, 0xff, 0x22, 0x5d]);

/** @type {Record<string, (ws: import('ws').WebSocket) => void>} */
const BROKEN = {
  'an unknown Engine.IO packet': (ws) => ws.send('9'),
  'an empty frame': (ws) => ws.send(''),
  'an unknown Socket.IO packet': (ws) => ws.send('49'),
  'an event without a payload': (ws) => ws.send('42'),
  'an event cut short': (ws) => ws.send('42["presence:join",{'),
  'an event that is no array': (ws) => ws.send('42{"a":1}'),
  'an event without a name': (ws) => ws.send('42[]'),
  'an event with a name of a wrong type': (ws) => ws.send('42[{}]'),
  'JSON with something after it': (ws) => ws.send('42["x"]]'),
  'an ack that is no array': (ws) => ws.send('431{}'),
  'text where an attachment belongs': (ws) => {
    ws.send('451-["x",{"_placeholder":true,"num":0}]');
    ws.send('42["x"]');
  },
  'a binary frame that nothing announced': (ws) => ws.send(Buffer.from([1, 2, 3])),
  'text that is not UTF-8': (ws) => ws.send(NOT_UTF8, { binary: false }),
  'a frame over maxPayload': (ws) => ws.send(OVERSIZED),
};

describeBackends({}, (stack) => {
  for (const [name, send] of Object.entries(BROKEN)) {
    test(`${name} closes only its own connection`, async () => {
      const [alice, mallory] = [await stack.connect(), await stack.connectRaw()];
      const room = freshRoom();
      await alice.join(room, 'alice');
      await mallory.join(room, 'mallory');
      send(mallory.wire.ws);
      await mallory.closed();
      const gone = await alice.event({ roomId: room, type: 'leave' });
      assert.equal(gone.userId, 'mallory');
      assert.equal((await alice.heartbeat()).ok, true);
    });
  }

  test('broken bodies of polls are refused, others go on', async () => {
    const alice = await stack.connect('polling only');
    await alice.join(freshRoom(), 'alice');
    const base = `${stack.nodes[0].url}/socket.io/?EIO=4&transport=polling`;
    for (const body of ['9', '4{', 'x'.repeat(1_000_001)]) {
      const { sid } = JSON.parse((await (await fetch(base)).text()).slice(1));
      const url = `${base}&sid=${sid}`;
      const status = await fetch(url, { method: 'POST', body }).then(
        (response) => response.status,
        () => 0, // cut while the body was still on its way
      );
      assert.notEqual(status, 500);
      await fetch(url, { method: 'POST', body: '40' }).catch(() => {});
      const after = await fetch(url);
      assert.equal(after.status, 400, `${body.slice(0, 5)}: the session is gone`);
      assert.equal((await alice.heartbeat()).ok, true);
    }
  });
});
