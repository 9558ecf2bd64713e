// Builds the server once, then runs every test file against it:
//   npm test                 all
//   npm test -- resume keys  the files whose names contain one of the words

import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { realtimeBinary } from './lib/binary.mjs';

const dir = join(dirname(fileURLToPath(import.meta.url)), 'test');
const words = process.argv.slice(2);
const files = readdirSync(dir)
  .filter((name) => name.endsWith('.test.mjs'))
  .filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
  .map((name) => join(dir, name));

const concurrency = process.env.E2E_CONCURRENCY ?? '3';
const reporter = process.env.E2E_REPORTER ?? 'spec';
const child = spawn(
  process.execPath,
  ['--test', `--test-concurrency=${concurrency}`, `--test-reporter=${reporter}`, ...files],
  { stdio: 'inherit', env: { ...process.env, REALTIME_BIN: realtimeBinary() } },
);
child.on('exit', (code) => {
  process.exitCode = code ?? 1;
});
