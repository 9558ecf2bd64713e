// One `realtime dev` or `realtime serve` process on a free loopback port.

import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';

import { realtimeBinary } from './binary.mjs';
import { Process } from './process.mjs';

const READY = /https?:\/\/[^\s"]+/;

export class Server {
  /**
   * Starts a server and waits for its line with the URL.
   * @param {'dev' | 'serve'} command
   * @param {Record<string, string>} [env] in addition to HOST and PORT; nothing else is inherited
   */
  static async start(command, env = {}) {
    const process_ = new Process(`realtime ${command}`, realtimeBinary(), [command], {
      cwd: tmpdir(),
      env: { PATH: process.env.PATH, HOME: process.env.HOME, HOST: '127.0.0.1', PORT: '0', ...env },
    });
    const [url] = await process_.output(READY);
    return new Server(process_, new URL(url).origin);
  }

  #terminated = false;

  /**
   * @param {Process} process_
   * @param {string} url
   */
  constructor(process_, url) {
    this.process = process_;
    this.url = url;
  }

  /** Tells it to end, once: a second signal would stop it at once. */
  terminate() {
    if (!this.#terminated && !this.process.exit) this.process.signal('SIGTERM');
    this.#terminated = true;
  }

  /** Tells it to end and insists on a clean exit. */
  async stop() {
    this.terminate();
    const exit = await this.process.ended();
    assert.deepEqual(exit, { code: 0, signal: null }, this.process.stderr);
  }
}
