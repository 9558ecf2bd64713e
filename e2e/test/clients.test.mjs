// Options of socket.io-client under which a stock server serves it.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { Server } from '../lib/server.mjs';
import { until, within } from '../lib/wait.mjs';
import { SocketIOWire } from '../lib/wire-socketio.mjs';

/** @type {Record<string, object>} */
const OPTIONS = {
  'base64 over WebSocket': { transports: ['websocket'], forceBase64: true },
  'base64 over polling': { transports: ['polling'], forceBase64: true },
  'base64 after an upgrade': { forceBase64: true },
  subprotocols: { transports: ['websocket'], protocols: ['chat.v1', 'chat.v2'] },
  'subprotocols after an upgrade': { protocols: ['chat.v1'] },
  'no slash at the end of the path': { addTrailingSlash: false },
};

describe('options of socket.io-client', () => {
  /** @type {Server} */ let server;
  before(async () => {
    server = await Server.start('dev');
  });
  after(() => server.stop());

  for (const [name, options] of Object.entries(OPTIONS)) {
    test(name, async () => {
      const sockets = [];
      try {
        for (const i of [0, 1]) {
          const wire = await SocketIOWire.connect(server.url, options);
          const { socket } = wire;
          sockets.push(socket);
          if (name.includes('upgrade')) await until('the upgrade', () => socket.io.engine.transport.name === 'websocket');
          const ack = await socket.timeout(10_000).emitWithAck('presence:join', { roomId: name, userId: `u${i}` });
          assert.equal(ack.ok, true);
        }
        const bytes = Buffer.from([0, 1, 2, 250, 255]);
        const heard = new Promise((resolve) => sockets[1].on('chat:bytes', (_, data) => resolve(data)));
        const ack = await sockets[0].timeout(10_000).emitWithAck('chat:bytes', { roomId: name }, bytes);
        assert.equal(ack.ok, true);
        assert.deepEqual(Buffer.from(await within('the relay', heard)), bytes);
      } finally {
        for (const socket of sockets) socket.disconnect();
      }
    });
  }
});
