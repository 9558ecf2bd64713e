// A TCP proxy on a loopback port of its own: for a network that fails.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

// Ports that systems do not give away by themselves: nobody takes one that is closed for a while.
const LOWEST_PORT = 20_000;
const PORTS = 10_000;

export class Proxy {
  /** @param {() => number | undefined | Promise<number | undefined>} target the port that a new connection goes to; undefined: none */
  static async start(target) {
    const proxy = new Proxy(target);
    for (;;) {
      proxy.port = LOWEST_PORT + Math.floor(Math.random() * PORTS);
      try {
        await proxy.#listen();
        return proxy;
      } catch (error) {
        if (error.code !== 'EADDRINUSE') throw error;
      }
    }
  }

  /** @type {number} */ port;
  /** How many connections have come. */ accepted = 0;

  #server;
  #target;
  /** @type {Set<{ client: import('node:net').Socket, server?: import('node:net').Socket }>} */ #links = new Set();
  #silent = false;

  constructor(target) {
    this.#target = target;
  }

  async #listen() {
    // What a client has sent and closed with is still to be read.
    this.#server = createServer({ allowHalfOpen: true }, (client) => void this.#serve(client));
    this.#server.listen(this.port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async #serve(client) {
    this.accepted++;
    const link = { client };
    this.#links.add(link);
    const end = () => {
      this.#links.delete(link);
      client.destroy();
      link.server?.destroy();
    };
    client.on('error', end).on('close', end);
    const port = await this.#target();
    if (port === undefined || client.destroyed) return end();
    link.server = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    link.server.on('error', end).on('close', end);
    if (!this.#silent) join(link);
  }

  /** Nothing gets through any more, in either direction; connections stay open, and new ones open. */
  silence() {
    this.#silent = true;
    for (const { client, server } of this.#links) {
      client.unpipe().pause();
      server?.unpipe().pause();
    }
  }

  /** Everything that was held back arrives. */
  speak() {
    this.#silent = false;
    for (const link of this.#links) if (link.server) join(link);
  }

  /** Cuts every connection and refuses new ones. */
  async refuse() {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cut();
    await closed;
  }

  /** Takes connections again, at the same port. */
  async accept() {
    await this.#listen();
  }

  /** Cuts every connection. */
  cut() {
    for (const { client, server } of this.#links) {
      client.destroy();
      server?.destroy();
    }
  }

  async stop() {
    if (this.#server.listening) await this.refuse();
  }
}

function join({ client, server }) {
  client.pipe(server);
  server.pipe(client);
}
