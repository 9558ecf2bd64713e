// A connection to a Redis server, and replies of its protocol (RESP2).

import { once } from 'node:events';
import { connect } from 'node:net';

import { within } from './wait.mjs';

export class RespConnection {
  /** @param {string} addr host:port */
  static async open(addr) {
    const [host, port] = addr.split(':');
    const socket = connect(Number(port), host);
    await once(socket, 'connect');
    return new RespConnection(socket);
  }

  #waiting = [];
  #buffer = '';

  constructor(socket) {
    this.socket = socket;
    socket.setEncoding('latin1').on('data', (text) => this.#read(text));
    socket.on('error', () => {});
    socket.on('close', () => {
      for (const resolve of this.#waiting.splice(0)) resolve(new Error('the connection to Redis is closed'));
    });
  }

  get closed() {
    return this.socket.destroyed;
  }

  /**
   * Runs one command.
   * @param {...(string | number)} args
   */
  async command(...args) {
    const parts = args.map(String).map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`);
    const reply = new Promise((resolve) => this.#waiting.push(resolve));
    this.socket.write(`*${parts.length}\r\n${parts.join('')}`);
    const value = await within(`redis answers ${args[0]}`, reply);
    if (value instanceof Error) throw value;
    return value;
  }

  close() {
    this.socket.destroy();
  }

  #read(text) {
    this.#buffer += text;
    for (;;) {
      const parsed = parseReply(this.#buffer, 0);
      if (!parsed) return;
      this.#buffer = this.#buffer.slice(parsed.end);
      this.#waiting.shift()(parsed.value);
    }
  }
}

/** The answer to HGETALL as an object. */
export function fields(flat) {
  const object = {};
  for (let i = 0; i < flat.length; i += 2) object[flat[i]] = flat[i + 1];
  return object;
}

/** Parses one reply, a character per byte; undefined when it is not complete. */
function parseReply(text, start) {
  const eol = text.indexOf('\r\n', start);
  if (eol < 0) return undefined;
  const line = text.slice(start + 1, eol);
  const end = eol + 2;
  switch (text[start]) {
    case '+':
      return { value: line, end };
    case '-':
      return { value: new Error(line), end };
    case ':':
      return { value: Number(line), end };
    case '$':
      return parseBulk(text, end, Number(line));
    default:
      return parseArray(text, end, Number(line));
  }
}

function parseBulk(text, start, bytes) {
  if (bytes < 0) return { value: null, end: start };
  const end = start + bytes + 2;
  if (text.length < end) return undefined;
  return { value: Buffer.from(text.slice(start, end - 2), 'latin1').toString(), end };
}

function parseArray(text, start, length) {
  const value = [];
  let end = start;
  for (let i = 0; i < length; i++) {
    const item = parseReply(text, end);
    if (!item) return undefined;
    value.push(item.value);
    end = item.end;
  }
  return { value, end };
}
