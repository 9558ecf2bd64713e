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

  constructor(process_, url) {
    this.process = process_;
    this.url = url;
  }

  /** Ends it with SIGTERM and insists on a clean exit. */
  async stop() {
    const exit = await this.process.end();
    assert.deepEqual(exit, { code: 0, signal: null }, this.process.stderr);
  }
}
