// A member that comes back: a stock socket.io-client which reconnects by itself
// and resumes its membership on each connection.

import { io } from 'socket.io-client';

import { Client } from './client.mjs';
import { sleep, until, within } from './wait.mjs';
import { SocketIOWire } from './wire-socketio.mjs';

export class ReturningClient {
  /** @type {Client[]} one for each connection */ lives = [];
  /** @type {{ at: number, reason: string }[]} when connections were lost */ losses = [];
  /** @type {object | undefined} of the latest join's ack */ self;
  /** The last patch that was acknowledged. */ acked = 0;
  /** @type {string[]} */ faults = [];

  #since = new Map(); // where events begin to count, by life
  #patched = 0;
  #joined = false;
  #lost; // settles with the present connection's end

  /** Connects and joins. The options are those of socket.io-client and, under join, of the request. */
  static async start(url, roomId, userId, { join = { graceMs: 60_000 }, ...options } = {}) {
    const client = new ReturningClient(url, roomId, userId, join, options);
    await until(`${userId} has joined`, () => client.isIn, 20_000);
    return client;
  }

  constructor(url, roomId, userId, join, options) {
    Object.assign(this, { roomId, userId, join });
    // Quicker than by default, where a client waits up to 5 s after a few failures.
    const quick = { reconnectionDelay: 200, reconnectionDelayMax: 1000 };
    this.socket = io(url, { forceNew: true, transports: ['websocket'], ...quick, ...options });
    this.socket.on('connect', () => void this.#enter());
    this.socket.on('disconnect', (reason) => {
      this.#joined = false;
      this.losses.push({ at: Date.now(), reason });
    });
  }

  /** Whether it is a member, with a connection. */
  get isIn() {
    return this.#joined;
  }

  /** The present connection. */
  get current() {
    return this.lives.at(-1);
  }

  async #enter() {
    this.socket.offAny();
    const client = new Client(new SocketIOWire(this.socket));
    this.lives.push(client);
    this.#lost = new Promise((resolve) => this.socket.once('disconnect', () => resolve(undefined)));
    const resume = this.self?.resume;
    while (client.wire.open && client === this.current) {
      const ack = await client.join(this.roomId, this.userId, { ...this.join, resume }).catch(() => undefined);
      if (ack?.ok) return this.#entered(ack, resume);
      if (ack && !['shutting_down', 'unavailable'].includes(ack.code)) this.faults.push(`join: ${JSON.stringify(ack)}`);
      await sleep(100);
    }
  }

  #entered(ack, resume) {
    if (resume && !ack.resumed) this.faults.push(`${this.userId} was not resumed`);
    if (this.self && ack.self.connId !== this.self.connId) this.faults.push(`${this.userId} came back as another`);
    this.self = ack.self;
    this.#joined = true;
  }

  /** Patches its state while it is connected, again and again, each time with the next number. */
  async keepPatching(everyMs, signal) {
    while (!signal.aborted) {
      await sleep(everyMs);
      if (this.#joined) await this.#patch(this.current);
    }
  }

  async #patch(client) {
    const n = ++this.#patched;
    const payload = { roomId: this.roomId, epoch: this.self.epoch, patchState: { n } };
    const answer = new Promise((resolve) => client.wire.emit('presence:heartbeat', [payload], resolve));
    const ack = await Promise.race([answer, this.#lost]);
    if (ack?.ok && ack.changed) this.acked = n;
    else if (ack?.ok === false || ack?.stale) this.faults.push(`patch: ${JSON.stringify(ack)}`);
  }

  /** From now on events count. */
  watch() {
    this.#since.clear();
    if (this.current) this.#since.set(this.current, this.current.events.length);
    this.#watchedFrom = this.lives.length - 1;
  }

  #watchedFrom = 0;

  /** The joins and leaves that it saw since watch was called, on whatever connection. */
  get comingsAndGoings() {
    return this.lives
      .slice(this.#watchedFrom)
      .flatMap((life) => life.events.slice(this.#since.get(life) ?? 0))
      .filter((event) => event.type !== 'update');
  }

  /** All that it has to complain about. */
  get complaints() {
    return [...this.faults, ...this.lives.flatMap((life) => life.faults)];
  }

  async stop() {
    if (this.#joined) await within('leave', this.current.leave().catch(() => undefined));
    this.socket.disconnect();
  }
}
