// Builds the server once, then runs every test file against it:
//   npm test                 all
//   npm test -- resume keys  the files whose names contain one of the words
// E2E_REDIS names what the servers keep members in, one after the other:
// single (the default), cluster, plain (a cluster with PUBLISH forced).

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { realtimeBinary, rigBinary } from './lib/binary.mjs';
import { startPool } from './lib/pool.mjs';

const dir = join(dirname(fileURLToPath(import.meta.url)), 'test');
const words = process.argv.slice(2);
const kinds = (process.env.E2E_REDIS ?? 'single').split(',');
const concurrency = process.env.E2E_CONCURRENCY ?? '3';
const reporter = process.env.E2E_REPORTER ?? 'spec';

const files = readdirSync(dir)
  .filter((name) => name.endsWith('.test.mjs'))
  .filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
  .map((name) => join(dir, name));

realtimeBinary();
rigBinary();
const pool = kinds.some((kind) => kind !== 'single') ? await startPool(Number(concurrency)) : undefined;
for (const kind of kinds) {
  const args = ['--test', `--test-concurrency=${concurrency}`, `--test-reporter=${reporter}`];
  const env = { ...process.env, E2E_REDIS: kind };
  const list = files.filter((file) => kind === 'single' || runsOnCluster(file));
  console.log(`# Redis: ${kind}`);
  const started = Date.now();
  const child = spawn(process.execPath, [...args, ...list], { stdio: 'inherit', env });
  const [code] = await once(child, 'exit');
  console.log(`# Redis: ${kind}: ${Math.round((Date.now() - started) / 1000)} s`);
  if (code !== 0) process.exitCode = code ?? 1;
}
await pool?.stop();

/** Files without a Redis, or that say so ("// E2E_REDIS: single"), run on a single one only. */
function runsOnCluster(file) {
  const text = readFileSync(file, 'utf8');
  return /describe(Stack|Backends|Matrix)/.test(text) && !/^\/\/ E2E_REDIS: single\b/m.test(text);
}
