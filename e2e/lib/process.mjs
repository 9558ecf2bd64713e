// A child process with its output, stopped for certain when the test ends.

import { spawn } from 'node:child_process';

import { until, within } from './wait.mjs';

const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class Process {
  stdout = '';
  stderr = '';
  /** @type {{ code: number | null, signal: string | null } | undefined} */
  exit;

  /**
   * @param {string} name for error messages
   * @param {string} path
   * @param {string[]} args
   * @param {import('node:child_process').SpawnOptions} [options]
   */
  constructor(name, path, args, options = {}) {
    this.name = name;
    this.child = spawn(path, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(this.child);
    this.child.stdout.setEncoding('utf8').on('data', (text) => (this.stdout += text));
    this.child.stderr.setEncoding('utf8').on('data', (text) => (this.stderr += text));
    this.exited = new Promise((resolve) => {
      this.child.on('error', (error) => {
        this.stderr += String(error);
        resolve(this.#ended(null, null));
      });
      this.child.on('exit', (code, signal) => resolve(this.#ended(code, signal)));
    });
  }

  #ended(code, signal) {
    running.delete(this.child);
    this.exit = { code, signal };
    return this.exit;
  }

  get pid() {
    return this.child.pid;
  }

  /** Waits until the standard output matches. */
  output(pattern, ms) {
    return this.#prints(pattern, () => this.stdout, ms);
  }

  /**
   * Waits until the standard error matches.
   * @param {RegExp} pattern
   * @param {number} [ms]
   * @returns {Promise<RegExpExecArray>}
   */
  errors(pattern, ms) {
    return this.#prints(pattern, () => this.stderr, ms);
  }

  #prints(pattern, text, ms) {
    const match = () => {
      if (this.exit) throw new Error(`${this.name} ended (${JSON.stringify(this.exit)}): ${this.stderr}`);
      return pattern.exec(text());
    };
    return until(`${this.name} prints ${pattern}`, match, ms);
  }

  /** @param {NodeJS.Signals} name */
  signal(name) {
    this.child.kill(name);
  }

  /** Waits for the end, and makes it certain. */
  async ended(ms = 15000) {
    try {
      return await within(`${this.name} ends`, this.exited, ms);
    } finally {
      if (!this.exit) this.signal('SIGKILL');
    }
  }
}
