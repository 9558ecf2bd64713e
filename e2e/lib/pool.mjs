// Clusters that test files take turns with: to form one takes seconds.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

import { Rig } from './rig.mjs';

const PORT = 'E2E_POOL';

/**
 * Starts clusters of 3 masters and 3 replicas for the processes that this one
 * starts. A lease lasts as long as the connection of the one who has it.
 */
export async function startPool(size) {
  const rigs = await Promise.all(Array.from({ length: size }, () => Rig.start('cluster', 3, 1)));
  const free = [...rigs];
  const waiting = [];
  const give = (rig) => {
    const socket = waiting.shift();
    if (!socket) return free.push(rig);
    if (socket.destroyed) return give(rig);
    socket.write(`${JSON.stringify({ url: rig.url, servers: rig.servers })}\n`);
    return socket.on('close', () => rig.order('reset').then(() => give(rig), lost));
  };
  const broker = createServer({ allowHalfOpen: false }, (socket) => {
    socket.on('error', () => {}).resume();
    waiting.push(socket);
    if (free.length > 0) give(free.shift());
  }).listen(0, '127.0.0.1');
  await once(broker, 'listening');
  process.env[PORT] = String(broker.address().port);
  return {
    async stop() {
      broker.close();
      await Promise.all(rigs.map((rig) => rig.stop()));
    },
  };
}

function lost(error) {
  console.error(`a cluster is lost to further tests: ${error.message}`);
}

/** A cluster without keys for the caller alone, until it releases it. */
export async function lease() {
  if (!process.env[PORT]) return ownCluster();
  const socket = connect(Number(process.env[PORT]), '127.0.0.1');
  const [line] = await once(createInterface(socket), 'line');
  const release = async () => {
    socket.destroy();
    await once(socket, 'close');
  };
  return { ...JSON.parse(line), release };
}

/** For a test file that is run by itself. */
async function ownCluster() {
  const rig = await Rig.start('cluster', 3, 1);
  return { url: rig.url, servers: rig.servers, release: () => rig.stop() };
}
