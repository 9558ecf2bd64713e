// Custom events that the standalone server relays.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describeMatrix, freshRoom } from '../lib/stack.mjs';

describeMatrix(({ connect }) => {
  async function trio() {
    const clients = [await connect(), await connect(), await connect()];
    const room = freshRoom();
    for (const [i, client] of clients.entries()) await client.join(room, `user-${i}`);
    return { clients, room };
  }

  /** What a client got up to a last message of the sender's. */
  async function received(client, sender) {
    await sender.request('chat:last');
    await client.message('chat:last');
    return client.messages.filter(({ name }) => name !== 'chat:last');
  }

  test('goes to the other members, with name and arguments as sent', async () => {
    const { clients, room } = await trio();
    const [alice, bob, carol] = clients;
    const args = [{ roomId: room, text: 'hi ☃' }, 2, null, ['x']];
    assert.deepEqual(await alice.request('chat:message', ...args), { ok: true });
    for (const client of [bob, carol]) {
      assert.deepEqual(await received(client, alice), [{ name: 'chat:message', args }]);
    }
    assert.deepEqual(alice.messages, []);
  });

  test('without a roomId it goes to all rooms, once per socket', async () => {
    const { clients } = await trio();
    const [alice, bob, carol] = clients;
    const second = freshRoom();
    await alice.join(second, 'alice');
    await bob.join(second, 'bob');
    await carol.leave();
    assert.deepEqual(await alice.request('chat:typing'), { ok: true });
    assert.deepEqual(await received(bob, alice), [{ name: 'chat:typing', args: [] }]);
    assert.deepEqual(carol.messages, []);
  });

  test('with a roomId it goes to that room only', async () => {
    const { clients, room } = await trio();
    const [alice, bob] = clients;
    const second = freshRoom();
    const dave = await connect();
    await alice.join(second, 'alice');
    await dave.join(second, 'dave');
    await alice.request('chat:here', { roomId: room });
    assert.equal((await received(bob, alice)).length, 1);
    assert.deepEqual(await received(dave, alice), []);
  });

  test('a room that the sender is not in is not_joined', async () => {
    const { clients, room } = await trio();
    const outsider = await connect();
    const ack = await outsider.request('chat:message', { roomId: room });
    assert.equal(ack.ok, false);
    assert.equal(ack.code, 'not_joined');
    assert.deepEqual(await received(clients[1], clients[0]), []);
  });

  test('without an acknowledgement it is relayed too', async () => {
    const { clients, room } = await trio();
    clients[0].send('chat:quiet', { roomId: room });
    assert.deepEqual(await clients[1].message('chat:quiet'), [{ roomId: room }]);
  });

  test('names that are not listed are not relayed, presence: never', async () => {
    const { clients, room } = await trio();
    const [alice, bob] = clients;
    for (const name of ['other', 'chatter', 'presence:event', 'presence:other']) alice.send(name, { roomId: room });
    assert.deepEqual(await received(bob, alice), []);
  });

  test('presence:emit goes to its room, binary arguments included', async () => {
    const { clients, room } = await trio();
    const [alice, bob] = clients;
    const second = freshRoom();
    const dave = await connect();
    await alice.join(second, 'alice');
    await dave.join(second, 'dave');
    const args = ['six', null, { deep: [Buffer.from([1, 2])] }];
    assert.deepEqual(await alice.request('presence:emit', { roomId: room, event: 'chat:x', args, volatile: true }), { ok: true });
    assert.deepEqual(await received(bob, alice), [{ name: 'chat:x', args }]);
    assert.deepEqual(await received(dave, alice), []);
    for (const [event, code] of [['other', 'unknown_event'], ['presence:event', 'unknown_event'], ['connect', 'unknown_event']]) {
      assert.equal((await alice.request('presence:emit', { roomId: room, event })).code, code, event);
    }
    assert.equal((await dave.request('presence:emit', { roomId: room, event: 'chat:x' })).code, 'not_joined');
  });

  test('a member that asks for it is told who sent an event', async () => {
    const { clients, room } = await trio();
    const [alice] = clients;
    const dave = await connect();
    assert.equal((await dave.join(room, 'dave', { sender: true })).sender, true);
    const forged = { connId: 'x', userId: 'boss', roomId: room, ts: 1 };
    await alice.request('chat:x', { roomId: room }, forged);
    const [first, second, sender, ...more] = await dave.message('chat:x');
    assert.deepEqual([first, second, more], [{ roomId: room }, forged, []]);
    assert.ok(Math.abs(Date.now() - sender.ts) < 60_000);
    assert.deepEqual(sender, { connId: alice.id, userId: 'user-0', roomId: room, ts: sender.ts });
  });

  test('an event that the server does not have is answered', async () => {
    const { clients } = await trio();
    for (const [name, code] of [['other', 'unknown_event'], ['presence:other', 'unknown_event'], ['metadata:set', 'unsupported'], ['storage:get', 'unsupported']]) {
      const ack = await clients[0].request(name, {});
      assert.deepEqual([ack.ok, ack.code], [false, code], name);
    }
  });

  test('binary data in other requests is refused', async () => {
    const { clients, room } = await trio();
    for (const [name, payload] of [
      ['presence:join', { roomId: room, userId: 'u', state: { a: [Buffer.from('x')] } }],
      ['presence:heartbeat', { roomId: room, patchState: { a: Buffer.from('x') } }],
      ['presence:leave', { roomId: room, more: Buffer.from('x') }],
    ]) {
      assert.equal((await clients[0].request(name, payload)).code, 'invalid_payload', name);
    }
  });
});
