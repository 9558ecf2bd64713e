// Builds the page into cmd/realtime/devpage, which the Go command embeds. With
// --check it writes nothing, and fails if what is committed there is not what
// these sources give.

import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

const BUDGET_BYTES = 60 * 1024;

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const target = "../cmd/realtime/devpage";

const { outputFiles } = await build({
  entryPoints: { page: "src/main.ts", style: "src/style.css" },
  outdir: ".",
  bundle: true,
  minify: true,
  write: false,
  format: "esm",
  platform: "browser",
  target: "es2022",
  legalComments: "none",
  charset: "utf8",
});
const files = new Map([["index.html", readFileSync("src/index.html")]]);
for (const { path, contents } of outputFiles) files.set(path.split(/[\\/]/).at(-1), Buffer.from(contents));

let size = 0;
for (const contents of files.values()) size += gzipSync(contents, { level: 9 }).length;
console.log(`page: ${size} bytes gzipped, of ${BUDGET_BYTES}`);
if (size > BUDGET_BYTES) process.exitCode = 1;

if (process.argv.includes("--check")) check();
else write();

function write() {
  for (const name of readdirSync(target)) if (!files.has(name)) rmSync(`${target}/${name}`);
  for (const [name, contents] of files) writeFileSync(`${target}/${name}`, contents);
}

function check() {
  const committed = readdirSync(target);
  const stale = [...files].filter(([name, contents]) => !committed.includes(name) || !contents.equals(readFileSync(`${target}/${name}`)));
  const extra = committed.filter((name) => !files.has(name));
  for (const name of [...stale.map(([name]) => name), ...extra]) console.error(`cmd/realtime/devpage/${name} is stale: run make sdk, and commit it`);
  if (stale.length + extra.length > 0) process.exitCode = 1;
}
