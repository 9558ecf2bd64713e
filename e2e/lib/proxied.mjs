// Servers whose way to Redis goes through a proxy, for tests that break it.

import { after, afterEach, before, describe } from 'node:test';

import { Proxy } from './proxy.mjs';
import { Redis } from './redis.mjs';
import { Stack } from './stack.mjs';

export class ProxiedStack extends Stack {
  /** @type {Proxy} between the servers and Redis */ proxy;

  async start({ nodes = 1, env = {} }) {
    this.redis = await Redis.start();
    this.proxy = await Proxy.start(() => this.redis && Number(new URL(this.redis.url).port));
    this.env = { REDIS_URL: `redis://127.0.0.1:${this.proxy.port}`, ...env };
    this.backend = 'serve';
    for (let i = 0; i < nodes; i++) await this.addNode();
  }

  /** Kills Redis, and starts one that is empty; to the servers it is the same. In between something may happen. */
  async replaceRedis(meanwhile = async () => {}) {
    const old = this.redis;
    this.redis = undefined; // connections meanwhile lead nowhere
    old.process.signal('SIGKILL');
    await old.process.ended();
    await old.stop();
    await meanwhile();
    this.redis = await Redis.start();
  }

  async stop() {
    try {
      await super.stop();
    } finally {
      await this.proxy.stop();
    }
  }
}

/**
 * A describe block with servers whose Redis is behind a proxy.
 * @param {string} name
 * @param {{ nodes?: number, env?: Record<string, string> }} options
 * @param {(stack: ProxiedStack) => void} body
 */
export function describeProxied(name, options, body) {
  describe(name, () => {
    const stack = new ProxiedStack();
    before(() => stack.start(options));
    afterEach(() => stack.finishTest());
    after(() => stack.stop());
    body(stack);
  });
}
