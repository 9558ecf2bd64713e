// A real redis-server of the test's own, and a small client to look into it.

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Process } from './process.mjs';
import { within } from './wait.mjs';

export class Redis {
  static async start() {
    const port = await freePort();
    const dir = mkdtempSync(join(tmpdir(), 'realtime-redis-'));
    const args = ['--port', port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', dir];
    const process_ = new Process('redis-server', 'redis-server', args.map(String));
    await process_.output(/Ready to accept connections/);
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new Redis(process_, port, dir, socket);
  }

  #waiting = [];
  #buffer = '';

  constructor(process_, port, dir, socket) {
    this.process = process_;
    this.url = `redis://127.0.0.1:${port}`;
    this.dir = dir;
    this.socket = socket;
    socket.setEncoding('latin1').on('data', (text) => this.#read(text));
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

  /** Every key, sorted. */
  async keys() {
    return (await this.command('KEYS', '*')).sort();
  }

  /** A hash as an object. */
  async hash(key) {
    const flat = await this.command('HGETALL', key);
    const fields = {};
    for (let i = 0; i < flat.length; i += 2) fields[flat[i]] = flat[i + 1];
    return fields;
  }

  /** Freezes the server: connections stay open, nothing is answered. */
  pause() {
    this.process.signal('SIGSTOP');
  }

  resume() {
    this.process.signal('SIGCONT');
  }

  async stop() {
    this.resume();
    this.socket.destroy();
    this.process.signal('SIGTERM');
    await this.process.ended();
    rmSync(this.dir, { recursive: true, force: true });
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

/** Parses one RESP2 reply, a character per byte; undefined when it is not complete. */
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

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}
