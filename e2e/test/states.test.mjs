// States come back byte for byte. JavaScript's own JSON would alter them, so
// this looks at the text of the frames.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describeBackends, freshRoom } from '../lib/stack.mjs';
import { until } from '../lib/wait.mjs';

const VALUES = {
  'big integers': '[12345678901234567890,-98765432109876543210987654321]',
  exponents: '[1e400,1E+5,1e-7,2.50e0]',
  'a trailing zero': '1.0',
  'negative zero': '[-0,-0.0]',
  'long fractions': '0.1234567890123456789012345',
  'empty arrays and objects': '[[],{},[[]],{"a":{}}]',
  'nested nulls': '{"a":null,"b":[null,{"c":null}]}',
  '__proto__': '{"__proto__":{"x":1},"constructor":2}',
  'key order': '{"z":1,"a":2,"10":3,"2":4,"b":5}',
  escapes: '"\\u00e9\\n\\t\\"\\\\\\/\\u0000\\ud83d\\ude00"',
  'unescaped text': '"é 😀 <&> \u2028\u2029 \u007f"',
  'a lone surrogate': '"\\ud800"',
  'numbers like keys': '{"1e400":1e400}',
};

describeBackends({}, (stack) => {
  async function pair(joinState) {
    const [alice, bob] = [await stack.connectRaw(), await stack.connectRaw()];
    bob.unjudged = true; // it joins in text of its own
    const room = freshRoom();
    await alice.join(room, 'alice');
    const payload = JSON.stringify({ roomId: room, userId: 'bob' }).replace(/}$/, `,"state":${joinState}}`);
    const ack = await sendText(bob, `["presence:join",${payload}]`);
    return { alice, bob, room, ack };
  }

  /** Sends an event in JSON text and returns the text of its ack's frame. */
  async function sendText(client, json) {
    let acked = false;
    client.wire.sendEvent(json, () => (acked = true));
    await until('an ack', () => acked);
    return client.wire.frames.findLast((frame) => frame.startsWith('43'));
  }

  /** The text of the event frame that shows bob. */
  function frameOfBob(client, type) {
    const match = (frame) => frame.includes(`"type":"${type}"`) && frame.includes('"userId":"bob"');
    return until(`${type} of bob`, () => client.wire.frames.find(match));
  }

  for (const [name, value] of Object.entries(VALUES)) {
    test(`${name}: in a join`, async () => {
      const state = `{"first":${value},"last":1}`;
      const { alice, ack } = await pair(state);
      assert.ok(ack.includes(`"state":${state}`), ack);
      const frame = await frameOfBob(alice, 'join');
      assert.ok(frame.includes(`"state":${state}`), frame);
      const synced = await sendText(alice, `["presence:sync",{"roomId":"${alice.stays[0].roomId}"}]`);
      assert.ok(synced.includes(`"state":${state}`), synced);
    });

    test(`${name}: in a patch`, async () => {
      const { alice, bob, room } = await pair('{"kept":1.0}');
      const patch = `{"roomId":"${room}","patchState":{"added":${value}}}`;
      const ack = await sendText(bob, `["presence:heartbeat",${patch}]`);
      assert.match(ack, /"changed":true/);
      const frame = await frameOfBob(alice, 'update');
      assert.ok(frame.includes(`"state":{"kept":1.0,"added":${value}}`), frame);
    });
  }

  test('a whole state with __proto__ as a key', async () => {
    const state = '{"__proto__":{"polluted":true},"a":1}';
    const { alice, bob, room, ack } = await pair(state);
    assert.ok(ack.includes(`"state":${state}`), ack);
    await sendText(bob, `["presence:heartbeat",{"roomId":"${room}","patchState":{"__proto__":null}}]`);
    const frame = await frameOfBob(alice, 'update');
    assert.ok(frame.includes('"state":{"__proto__":null,"a":1}'), frame);
  });

  test('a state of 16 KiB comes back whole', async () => {
    const state = `{"a":"${'é'.repeat(8188)}"}`;
    assert.equal(Buffer.byteLength(state), 16384);
    const { alice } = await pair(state);
    const frame = await frameOfBob(alice, 'join');
    assert.ok(frame.includes(`"state":${state}`));
  });
});
