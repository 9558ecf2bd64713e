// The programs that tests run: the server under test, and the one that runs
// clusters of Redis. Named by the environment, or built here.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/**
 * The path of the server's binary: REALTIME_BIN, or else one built with
 * E2E_BUILD_FLAGS (such as "-race").
 * @returns {string}
 */
export function realtimeBinary() {
  return binary('REALTIME_BIN', './cmd/realtime', process.env.E2E_BUILD_FLAGS);
}

/**
 * The path of the binary that runs clusters of Redis: E2E_RIG, or else one
 * built.
 * @returns {string}
 */
export function rigBinary() {
  return binary('E2E_RIG', './internal/redistest/redisrig');
}

/** A Go program, built once in this process and those it starts. */
function binary(variable, source, flags = '') {
  if (process.env[variable]) return process.env[variable];
  const dir = mkdtempSync(join(tmpdir(), 'realtime-e2e-'));
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, basename(source) + (process.platform === 'win32' ? '.exe' : ''));
  const args = ['build', ...flags.split(' ').filter(Boolean), '-o', path, source];
  execFileSync('go', args, { cwd: repository, stdio: 'inherit' });
  process.env[variable] = path;
  return path;
}
