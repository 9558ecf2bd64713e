// The server binary under test: REALTIME_BIN, or one built here.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/**
 * The path of the binary. E2E_BUILD_FLAGS (such as "-race") go to `go build`.
 * @returns {string}
 */
export function realtimeBinary() {
  if (process.env.REALTIME_BIN) return process.env.REALTIME_BIN;
  const dir = mkdtempSync(join(tmpdir(), 'realtime-e2e-'));
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, process.platform === 'win32' ? 'realtime.exe' : 'realtime');
  const flags = (process.env.E2E_BUILD_FLAGS ?? '').split(' ').filter(Boolean);
  execFileSync('go', ['build', ...flags, '-o', path, './cmd/realtime'], { cwd: repository, stdio: 'inherit' });
  process.env.REALTIME_BIN = path;
  return path;
}
