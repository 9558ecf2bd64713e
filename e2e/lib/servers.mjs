// Several Redis servers seen as one: a cluster, or a master with replicas.

import { fields, RespConnection } from './resp.mjs';

export class RedisServers {
  /** @type {Map<string, Promise<RespConnection>>} */ #connections = new Map();
  #release;
  #paused = false;

  /**
   * @param {string} url what servers are given
   * @param {{ addr: string, pid: number }[]} servers
   * @param {() => Promise<void>} release ends the use of them
   */
  constructor(url, servers, release) {
    this.url = url;
    this.servers = servers;
    this.#release = release;
  }

  /**
   * Runs one command where its key is, or FLUSHALL on every master.
   * @param {...(string | number)} args
   */
  async command(...args) {
    const masters = await this.#masters();
    if (args[0] === 'FLUSHALL') {
      for (const addr of masters) await this.#at(addr, args);
      return 'OK';
    }
    return this.#at(masters[0], args);
  }

  /** Every key, sorted. */
  async keys() {
    const lists = [];
    for (const addr of await this.#masters()) lists.push(await this.#at(addr, ['KEYS', '*']));
    return lists.flat().sort();
  }

  /** A hash as an object. */
  async hash(key) {
    return fields(await this.command('HGETALL', key));
  }

  /** Freezes every server: connections stay open, nothing is answered. */
  pause() {
    this.#paused = true;
    this.#signal('SIGSTOP');
  }

  resume() {
    if (this.#paused) this.#signal('SIGCONT');
    this.#paused = false;
  }

  async stop() {
    this.resume();
    for (const connection of await Promise.allSettled(this.#connections.values())) connection.value?.close();
    await this.#release();
  }

  #signal(name) {
    for (const { pid } of this.servers) process.kill(pid, name);
  }

  /** The addresses of those that are masters now and answer. */
  async #masters() {
    const roles = await Promise.all(
      this.servers.map(async ({ addr }) => {
        try {
          const [role] = await (await this.#connection(addr)).command('ROLE');
          return role === 'master' ? [addr] : [];
        } catch {
          return [];
        }
      }),
    );
    return roles.flat();
  }

  async #at(addr, args) {
    try {
      return await (await this.#connection(addr)).command(...args);
    } catch (error) {
      const moved = /^MOVED \d+ (.+)$/.exec(error.message);
      if (!moved) throw error;
      return this.#at(moved[1], args);
    }
  }

  async #connection(addr) {
    const known = await this.#connections.get(addr)?.catch(() => undefined);
    if (known && !known.closed) return known;
    const fresh = RespConnection.open(addr);
    this.#connections.set(addr, fresh);
    return fresh;
  }
}
