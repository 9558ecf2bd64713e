// Builds dist/esm and dist/cjs, and fails if the core is larger than its budget.

import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

const BUDGET_BYTES = 8704;

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
rmSync("dist", { recursive: true, force: true });
for (const [folder, type, flags] of [
  ["esm", "module", []],
  ["cjs", "commonjs", ["--module", "commonjs", "--moduleResolution", "node10"]],
]) {
  const out = `dist/${folder}`;
  mkdirSync(out, { recursive: true });
  execFileSync("node_modules/.bin/tsc", ["-p", "tsconfig.build.json", "--outDir", out, ...flags], { stdio: "inherit" });
  writeFileSync(`${out}/package.json`, `${JSON.stringify({ type, sideEffects: false })}\n`);
}

const { outputFiles } = await build({
  entryPoints: ["dist/esm/index.js"],
  bundle: true,
  minify: true,
  write: false,
  format: "esm",
  external: ["socket.io-client"],
});
const size = gzipSync(outputFiles[0].contents, { level: 9 }).length;
console.log(`core: ${size} bytes gzipped without socket.io-client, of ${BUDGET_BYTES}`);
if (size > BUDGET_BYTES) process.exitCode = 1;
