// Servers whose way to Redis goes through a proxy, for tests that break it.

import { Proxy } from './proxy.mjs';
import { Redis } from './redis.mjs';
import { describeStack, Stack } from './stack.mjs';

export class ProxiedStack extends Stack {
  /** @type {Proxy} between the servers and Redis */ proxy;

  async start({ nodes = 1, env = {} }) {
    this.proxy = await Proxy.start(() => this.redis && Number(new URL(this.redis.url).port));
    const proxied = { REDIS_URL: `redis://127.0.0.1:${this.proxy.port}`, ...env };
    await super.start({ backend: 'serve', nodes, env: proxied, redis: () => Redis.start() });
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
  describeStack(name, options, body, new ProxiedStack());
}
