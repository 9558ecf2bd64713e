// The Redis of a test, which looks into it. E2E_REDIS says what it is: a single
// server (the default), a cluster of 3 masters and 3 replicas, or "plain", the
// same where servers are told to use PUBLISH.

import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';

import { lease } from './pool.mjs';
import { Process } from './process.mjs';
import { fields, RespConnection } from './resp.mjs';
import { RedisServers } from './servers.mjs';

/** What the tests run on. */
export const REDIS_KIND = process.env.E2E_REDIS ?? 'single';

/** A Redis without keys, for the caller alone until it stops it. */
export async function startRedis() {
  if (REDIS_KIND === 'single') return Redis.start();
  const { url, servers, release } = await lease();
  return new RedisServers(REDIS_KIND === 'plain' ? `${url}&publish=plain` : url, servers, release);
}

/** A real redis-server of the test's own. */
export class Redis {
  static async start() {
    const port = await freePort();
    const nothingOnDisk = ['--save', '', '--appendonly', 'no', '--dir', tmpdir()];
    const args = ['--port', port, '--bind', '127.0.0.1', ...nothingOnDisk];
    const process_ = new Process('redis-server', 'redis-server', args.map(String));
    await process_.output(/Ready to accept connections/);
    return new Redis(process_, port, await RespConnection.open(`127.0.0.1:${port}`));
  }

  #connection;

  constructor(process_, port, connection) {
    this.process = process_;
    this.url = `redis://127.0.0.1:${port}`;
    this.#connection = connection;
  }

  /**
   * Runs one command.
   * @param {...(string | number)} args
   */
  command(...args) {
    return this.#connection.command(...args);
  }

  /** Every key, sorted. */
  async keys() {
    return (await this.command('KEYS', '*')).sort();
  }

  /** A hash as an object. */
  async hash(key) {
    return fields(await this.command('HGETALL', key));
  }

  /** Freezes the server: connections stay open, nothing is answered. */
  pause() {
    this.process.signal('SIGSTOP');
  }

  resume() {
    this.process.signal('SIGCONT');
  }

  async stop() {
    this.resume();
    this.#connection.close();
    this.process.signal('SIGTERM');
    await this.process.ended();
  }
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}
