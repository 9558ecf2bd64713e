// Every code block of the README, and those in the rest of the documentation
// that use this package, compile, strictly, and run against a server.

import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { afterAll, beforeAll, expect, test } from "vitest";

import { Server } from "./lib/processes.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = `${root}.readme`;
const readme = readFileSync(`${root}README.md`, "utf8");

/** A block with imports begins a program, those without continue it. */
const programs: { language: string; code: string }[] = [];
for (const [, language = "", code = ""] of readme.matchAll(/^```(tsx?)\n(.*?)^```/gms)) {
  const last = programs.at(-1);
  if (/^import /m.test(code) || !last) programs.push({ language, code });
  else last.code += code;
}

// The others are short: what they leave out stands here.
const others = ["../README.md", "../docs/sdk.md"].flatMap((path) => [...readFileSync(root + path, "utf8").matchAll(/^```tsx?\n(.*?)^```/gms)].map(([, code = ""]) => code));
for (const code of others) {
  const imports = /^import /m.test(code) ? "" : 'import { RealtimeClient } from "realtime-message-sdk";\n';
  programs.push({ language: "ts", code: `${imports}const render = (list: ReadonlyMap<string, unknown>) => { console.log(list.size); };\n${code}` });
}

let server: Server;

beforeAll(async () => {
  server = await Server.start();
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  for (const [index, { language, code }] of programs.entries()) {
    writeFileSync(`${folder}/${index}.${language}`, code.replaceAll(/"https?:\/\/(localhost:3000|presence\.example\.com)"/g, `"${server.url}"`));
  }
  const compilerOptions = { noEmit: false, outDir: "out", rootDir: ".", noUnusedLocals: false };
  writeFileSync(`${folder}/tsconfig.json`, JSON.stringify({ extends: "../tsconfig.json", compilerOptions, include: ["*"] }));
  execFileSync(`${root}node_modules/.bin/tsc`, ["-p", folder], { stdio: "inherit" });
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await server.stop();
});

test("there are as many blocks as meant", () => {
  expect(others).toHaveLength(2);
  expect(programs).toHaveLength(6 + others.length);
  expect([...readme.matchAll(/^```\w/gm)]).toHaveLength(12);
});

test.each(programs.map((_, index) => index))("program %i runs", async (index) => {
  const runner = `
    import { createElement } from "react";
    import { renderToString } from "react-dom/server";
    const { default: Component } = await import("${folder}/out/${index}.js");
    if (Component) console.log(renderToString(createElement(Component, { userId: "ada" })));
    process.exit(0);`;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", runner], { cwd: root, timeout: 30_000 });
  expect(stderr).toBe("");
  if (programs[index]?.code.includes("console.log")) expect(stdout).not.toBe("");
});
