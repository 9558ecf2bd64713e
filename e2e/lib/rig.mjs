// A cluster, or a master behind Sentinels, that can be hurt: the program
// redisrig runs it, and takes it along when it ends.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

import { rigBinary } from './binary.mjs';
import { RedisServers } from './servers.mjs';
import { within } from './wait.mjs';

const ORDER_MS = 60_000;

export class Rig {
  /** @param {['cluster' | 'sentinel', number, number]} what as redisrig wants it */
  static async start(...what) {
    const child = spawn(rigBinary(), what.map(String), { stdio: ['pipe', 'pipe', 'inherit'] });
    const rig = new Rig(child);
    Object.assign(rig, await rig.#answer('the rig starts'));
    return rig;
  }

  /** @type {string} what servers are given */ url = '';
  /** @type {{ addr: string, pid: number }[]} */ servers = [];
  #answers = [];
  #waiting = [];

  constructor(child) {
    this.child = child;
    for (const handle of [child, child.stdin, child.stdout]) handle.unref(); // a failed test may leave it
    this.ended = new Promise((resolve) => child.on('close', resolve));
    createInterface(child.stdout).on('line', (line) => {
      const value = JSON.parse(line);
      const waiting = this.#waiting.shift();
      if (waiting) waiting(value);
      else this.#answers.push(value);
    });
    this.ended.then((code) => {
      for (const resolve of this.#waiting.splice(0)) resolve({ error: `the rig ended with code ${code}` });
    });
  }

  /** One of redisrig's orders: failover, kill, freeze or move (of the key's master), heal, reset. */
  async order(name, key = '') {
    this.child.stdin.write(`${name} ${key}\n`);
    await this.#answer(`${name} ${key}`);
  }

  async stop() {
    this.child.stdin.end();
    await within('the rig ends', this.ended, ORDER_MS);
  }

  /** A view of the servers; stopping it stops the rig. */
  view() {
    return new RedisServers(this.url, this.servers, () => this.stop());
  }

  async #answer(what) {
    const answer = this.#answers.shift() ?? new Promise((resolve) => this.#waiting.push(resolve));
    const value = await within(what, Promise.resolve(answer), ORDER_MS);
    if (value.error) throw new Error(`${what}: ${value.error}`);
    return value;
  }
}
