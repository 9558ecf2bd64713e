// Servers (and a Redis) for the tests of one describe block, and its clients.
// What must always hold is checked here for every test: no client saw a
// promise broken, nothing stays behind in Redis, servers end with code 0.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe } from 'node:test';

import { Client } from './client.mjs';
import { REDIS_KIND, startRedis } from './redis.mjs';
import { Server } from './server.mjs';
import { until } from './wait.mjs';
import { RawWire } from './wire-raw.mjs';
import { SocketIOWire, TRANSPORTS } from './wire-socketio.mjs';

export { TRANSPORTS };

/** One dev process on memory, where that is not tested already, and one serve process on Redis. */
export const BACKENDS = REDIS_KIND === 'single' ? ['dev', 'serve'] : ['serve'];

const RELAY_EVENTS = 'chat:*,cursor';
const LEASE_MS = 4000;
const INDEX_KEY = /^prs:1:(\{node:.*\}:rooms|user:.*)$/;
const INDEX_SETTLED_MS = 20_000;

export class Stack {
  /** @type {Server[]} */ nodes = [];
  /** @type {import('./redis.mjs').Redis | import('./servers.mjs').RedisServers | undefined} */ redis;
  /** @type {Client[]} */ clients = [];

  /** A client over socket.io-client. */
  async connect(transport = 'websocket only', node = 0) {
    return this.#add(await SocketIOWire.connect(this.nodes[node].url, TRANSPORTS[transport]));
  }

  /** A client over a bare WebSocket. */
  async connectRaw(options = {}, node = 0) {
    return this.#add(await RawWire.connect(this.nodes[node].url, options));
  }

  async start({ backend, nodes = 1, env = {}, redis = startRedis }) {
    if (backend === 'serve') {
      this.redis = await redis();
      env = { REDIS_URL: this.redis.url, RELAY_EVENTS, ...env };
    }
    this.env = env;
    this.backend = backend;
    for (let i = 0; i < nodes; i++) await this.addNode();
  }

  async addNode() {
    const node = await Server.start(this.backend, this.env);
    this.nodes.push(node);
    return node;
  }

  /** Ends the test: everybody leaves, and nobody may have a complaint. */
  finishTest() {
    const faults = this.clients.flatMap((client) => client.faults);
    for (const client of this.clients) client.wire.disconnect();
    this.clients = [];
    assert.deepEqual(faults, []);
  }

  async stop() {
    try {
      await this.emptied();
      for (const node of this.nodes) await node.stop();
      await this.emptied();
    } finally {
      for (const node of this.nodes) if (!node.process.exit) node.process.signal('SIGKILL');
      await this.redis?.stop();
    }
  }

  /**
   * Waits until Redis holds nothing but the nodes' life signs. What a dead
   * node's index still names is for the node that reaps it, in its own time, and
   * index entries whose write nobody answered are settled some seconds later.
   */
  async emptied() {
    if (!this.redis) return;
    let left = [];
    const empty = async () => {
      const dead = await this.#deadNodes();
      const expected = ['prs:1:nodes', ...dead.map((id) => `prs:1:{node:${id}}:rooms`)];
      left = (await this.redis.keys()).filter((key) => !expected.includes(key));
      return left.length === 0;
    };
    const onlyIndexes = async () => (await empty()) || left.every((key) => INDEX_KEY.test(key));
    try {
      await until('Redis holds no member any more', onlyIndexes);
      await until('Redis is empty', empty, INDEX_SETTLED_MS);
    } catch (error) {
      throw new Error(`${error.message}; left: ${left.join(' ')}`);
    }
  }

  /** The ids of the nodes that are marked dead (a negative sign), or silent for longer than their lease. */
  async #deadNodes() {
    const signs = await this.redis.command('ZRANGE', 'prs:1:nodes', 0, -1, 'WITHSCORES');
    const leaseOver = Date.now() - LEASE_MS;
    return signs.filter((_, i) => i % 2 === 0 && Number(signs[i + 1]) < leaseOver);
  }

  #add(wire) {
    const client = new Client(wire);
    this.clients.push(client);
    return client;
  }
}

/**
 * A describe block with servers of its own.
 * @param {string} name
 * @param {{ backend: 'dev' | 'serve', nodes?: number, env?: Record<string, string>, redis?: () => Promise<any> }} options
 *   redis starts the Redis of a serve process, if it shall not be the usual one
 * @param {(stack: Stack) => void} body
 * @param {Stack} [stack]
 */
export function describeStack(name, options, body, stack = new Stack()) {
  describe(name, () => {
    before(() => stack.start(options));
    afterEach(() => stack.finishTest());
    after(() => stack.stop());
    body(stack);
  });
}

/** The same tests on memory and on Redis. */
export function describeBackends(options, body) {
  for (const backend of BACKENDS) describeStack(backend, { ...options, backend }, body);
}

/** The same tests on memory and on Redis, over each transport. */
export function describeMatrix(body) {
  describeBackends({}, (stack) => {
    for (const transport of Object.keys(TRANSPORTS)) {
      describe(transport, () => body({ stack, connect: () => stack.connect(transport) }));
    }
  });
}

let rooms = 0;

/** A room id that no other test uses. */
export function freshRoom() {
  return `room-${process.pid}-${++rooms}`;
}
