// A Socket.IO connection in bare WebSocket frames: for the exact text of
// frames, for clients that misbehave, and for many clients at little cost.

import { once } from 'node:events';

import WebSocket from 'ws';

import { until, within } from './wait.mjs';

export class RawWire {
  /**
   * @param {string} url
   * @param {{ pong?: boolean }} [options] pong: false leaves the server's pings unanswered
   */
  static async connect(url, { pong = true } = {}) {
    const ws = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
    const wire = new RawWire(ws, pong);
    await within('websocket opens', once(ws, 'open'));
    ws.send('40');
    await until('namespace connects', () => wire.id);
    return wire;
  }

  /** The WebSocket of an upgrade: the probe is sent and answered, nothing more. */
  static async probe(url, sid) {
    const ws = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket&sid=${sid}`);
    const wire = new RawWire(ws, true);
    await within('websocket opens', once(ws, 'open'));
    ws.send('2probe');
    await until('the probe is answered', () => wire.frames.includes('3probe'));
    return wire;
  }

  /** @type {string[]} every text frame that came, in order */
  frames = [];
  /** @type {string} */ id;
  /** @type {string} */ transportId;
  /** @type {{ code: number, reason: string } | undefined} */ closed;

  #acks = new Map();
  #nextAck = 0;
  #listener = () => {};

  constructor(ws, pong) {
    this.ws = ws;
    ws.on('message', (data) => this.#read(data.toString(), pong));
    ws.on('close', (code, reason) => (this.closed = { code, reason: reason.toString() }));
    ws.on('error', () => {});
  }

  #read(frame, pong) {
    this.frames.push(frame);
    if (frame === '2') {
      if (pong) this.ws.send('3');
    } else if (frame[0] === '0') {
      this.transportId = JSON.parse(frame.slice(1)).sid;
    } else if (frame.startsWith('40')) {
      this.id = JSON.parse(frame.slice(2)).sid;
    } else if (frame.startsWith('42')) {
      const [name, ...args] = JSON.parse(frame.slice(frame.indexOf('[')));
      this.#listener(name, args);
    } else if (frame.startsWith('43')) {
      const id = Number.parseInt(frame.slice(2), 10);
      this.#acks.get(id)(...JSON.parse(frame.slice(frame.indexOf('['))));
      this.#acks.delete(id);
    }
  }

  onEvent(listener) {
    this.#listener = listener;
  }

  emit(name, args, ack) {
    this.sendEvent(JSON.stringify([name, ...args]), ack);
  }

  /** Sends an event whose payload is the given JSON text. */
  sendEvent(json, ack) {
    if (!ack) return this.send(`42${json}`);
    const id = this.#nextAck++;
    this.#acks.set(id, ack);
    this.send(`42${id}${json}`);
  }

  /** Sends one frame as it is: a string as text, a Buffer as binary. */
  send(frame) {
    this.ws.send(frame);
  }

  get open() {
    return this.ws.readyState === WebSocket.OPEN;
  }

  get closeReason() {
    return this.closed && 'transport close';
  }

  disconnect() {
    if (this.open) this.send('41');
    this.ws.close();
  }

  /** Reads nothing any more. */
  pause() {
    this.ws.pause();
  }

  resume() {
    this.ws.resume();
  }

  canTerminate = true;

  /** Cuts the connection under the transport. */
  terminate() {
    this.ws.terminate();
  }
}
