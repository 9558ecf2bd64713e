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
});
