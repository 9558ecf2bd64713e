// Refusals: the code, the sentence that names the field, and a connection
// that stays up.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describeBackends, freshRoom } from '../lib/stack.mjs';

/** Kinds of fault of a string that names something. */
const BAD_IDS = {
  'a number': 7,
  'a boolean': true,
  'an object': {},
  'an array': ['x'],
  empty: '',
  'too long': 'x'.repeat(257),
  'a NUL': 'a\u0000b',
  'a line feed': 'a\nb',
  'a unit separator': 'a\u001fb',
  'a DEL': 'a\u007fb',
  'half a surrogate pair': 'a\ud800b',
};
const BAD_OBJECTS = { 'an array': [], 'a string': 'x', 'a number': 1, 'a boolean': false };
const BAD_EPOCHS = { 'a string': '1', negative: -1, 'a fraction': 1.5, 'a boolean': true, 'an object': {} };
const BAD_GRACES = { 'a string': '100', 'a boolean': true, 'an object': {} };
const BAD_TOKENS = { 'a number': 1, 'an object': {}, 'an array': [] };
const BAD_SEQS = { 'a string': '1', 'a boolean': true, 'an object': {} };

const missing = { missing: undefined, null: null };

/** @type {[event: string, field: string, valid: (room: string) => object, faults: object][]} */
const TABLE = [
  ['presence:join', 'roomId', () => ({ userId: 'alice' }), { ...missing, ...BAD_IDS }],
  ['presence:join', 'userId', () => ({ roomId: freshRoom() }), { ...missing, ...BAD_IDS }],
  ['presence:join', 'state', () => ({ roomId: freshRoom(), userId: 'alice' }), BAD_OBJECTS],
  ['presence:join', 'resume', () => ({ roomId: freshRoom(), userId: 'alice' }), BAD_TOKENS],
  ['presence:join', 'graceMs', () => ({ roomId: freshRoom(), userId: 'alice' }), BAD_GRACES],
  ['presence:heartbeat', 'roomId', () => ({}), BAD_IDS],
  ['presence:heartbeat', 'epoch', (room) => ({ roomId: room }), BAD_EPOCHS],
  ['presence:heartbeat', 'patchState', (room) => ({ roomId: room }), BAD_OBJECTS],
  ['presence:leave', 'roomId', () => ({}), BAD_IDS],
  ['presence:leave', 'graceMs', (room) => ({ roomId: room }), BAD_GRACES],
  ['presence:sync', 'roomId', () => ({}), { ...missing, ...BAD_IDS }],
  ['presence:sync', 'seq', (room) => ({ roomId: room }), BAD_SEQS],
];

function assertRefused(ack, code, field, what) {
  assert.equal(ack.ok, false, what);
  assert.equal(ack.code, code, what);
  assert.match(ack.error, /^\S+ .*\S$/, `${what}: a sentence`);
  if (field) assert.match(ack.error, new RegExp(`\\b${field}\\b`), `${what}: names the field`);
  assert.deepEqual(Object.keys(ack).sort(), ['code', 'error', 'ok'], what);
}

describeBackends({}, (stack) => {
  async function member(more) {
    const client = await stack.connect();
    const room = freshRoom();
    const ack = await client.join(room, 'alice', more);
    return { client, room, epoch: ack.self.epoch };
  }

  for (const [event, field, valid, faults] of TABLE) {
    test(`${event}: ${field} is invalid_payload`, async () => {
      const { client, room, epoch } = await member({ state: { a: 1 } });
      for (const [kind, value] of Object.entries(faults)) {
        const ack = await client.request(event, { ...valid(room), [field]: value });
        assertRefused(ack, 'invalid_payload', field, `${field}: ${kind}`);
      }
      assert.deepEqual(await client.heartbeat({ roomId: room }), { ok: true, changed: false, epoch });
      const { snapshot } = await client.sync(room);
      assert.deepEqual(snapshot.map((m) => m.state), [{ a: 1 }]);
    });
  }

  test('a payload that is no object is invalid_payload', async () => {
    const { client, room, epoch } = await member();
    for (const event of ['presence:join', 'presence:sync', 'presence:heartbeat', 'presence:leave']) {
      for (const payload of ['x', 5, true, [], [{ roomId: room }]]) {
        assertRefused(await client.request(event, payload), 'invalid_payload', '', `${event} ${JSON.stringify(payload)}`);
      }
    }
    for (const event of ['presence:join', 'presence:sync']) {
      assertRefused(await client.request(event), 'invalid_payload', '', `${event} without a payload`);
      assertRefused(await client.request(event, null), 'invalid_payload', '', `${event} null`);
    }
    assert.deepEqual(await client.heartbeat(), { ok: true, changed: false, epoch });
  });

  test('a state over the limit is state_too_large', async () => {
    const stateOf = (bytes) => ({ a: 'x'.repeat(bytes - '{"a":""}'.length) });
    const { client, room } = await member({ state: stateOf(16384) });
    const other = freshRoom();
    assertRefused(await client.join(other, 'alice', { state: stateOf(16385) }), 'state_too_large');
    assertRefused(await client.patch(other, {}), 'not_joined');

    assertRefused(await client.patch(room, { b: 1 }), 'state_too_large');
    assertRefused(await client.join(room, 'alice', { state: stateOf(16385) }), 'state_too_large');
    assert.equal((await client.patch(room, { a: 'small' })).changed, true);
    assert.equal((await client.patch(room, stateOf(16384))).changed, true);
    assertRefused(await client.patch(room, stateOf(16385)), 'state_too_large');
    assert.equal((await client.patch(room, { a: 'small' })).changed, true);
    const { changed, seq } = await client.patch(room, { b: 1 });
    assert.equal(changed, true);
    await client.event({ roomId: room, seq }); // an ack may be ahead of it, and of the room that a sync tells
    const { snapshot } = await client.sync(room);
    assert.deepEqual(snapshot[0].state, { a: 'small', b: 1 });
  });

  test('heartbeat and sync outside of the room are not_joined', async () => {
    const { client } = await member();
    const stranger = await stack.connect();
    assertRefused(await client.heartbeat({ roomId: freshRoom() }), 'not_joined');
    assertRefused(await client.patch(freshRoom(), { a: 1 }), 'not_joined');
    assertRefused(await client.sync(freshRoom()), 'not_joined');
    assertRefused(await stranger.heartbeat(), 'not_joined');
    assertRefused(await stranger.heartbeat({ patchState: { a: 1 } }), 'not_joined');
  });
});
