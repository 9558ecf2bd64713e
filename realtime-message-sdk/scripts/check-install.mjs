// Packs the package and uses what was packed, as an application would: in an
// ESM project, in a CommonJS project, from TypeScript, and in a Vite build.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const dir = mkdtempSync(join(tmpdir(), "realtime-pack-"));
const versions = JSON.parse(readFileSync(`${root}package.json`, "utf8")).devDependencies;

try {
  const [packed] = JSON.parse(run(root, "npm", "pack", "--json", "--pack-destination", dir));
  const allowed = /^(package\.json|README\.md|LICENSE|dist\/(esm|cjs)\/[a-z]+(\.d)?\.(ts|js|json))$/;
  const strange = packed.files.map(({ path }) => path).filter((path) => !allowed.test(path));
  if (strange.length > 0) throw new Error(`packed by mistake: ${strange.join(", ")}`);
  console.log(`packed ${packed.files.length} files, ${packed.size} bytes`);

  // One installation, for all kinds of projects: what differs is how they import.
  write("package.json", JSON.stringify({ private: true }));
  run(dir, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", `./${packed.filename}`, `react@${versions.react}`, `@types/react@${versions["@types/react"]}`);

  const use = `
    const client = new RealtimeClient({ baseUrl: "http://127.0.0.1:9" });
    const channel = client.createPresenceChannel();
    if (channel.status !== "idle" || typeof useRoom !== "function") throw new Error("not usable");`;
  write("esm/package.json", '{"type":"module"}');
  write("esm/main.js", `import { RealtimeClient } from "realtime-message-sdk"; import { useRoom } from "realtime-message-sdk/react";${use}`);
  run(dir, process.execPath, "esm/main.js");
  console.log("ESM: works");

  write("cjs/package.json", '{"type":"commonjs"}');
  write("cjs/main.js", `const { RealtimeClient } = require("realtime-message-sdk"); const { useRoom } = require("realtime-message-sdk/react");${use}`);
  run(dir, process.execPath, "cjs/main.js");
  console.log("CommonJS: works");

  const typed = `import { RealtimeClient, type Member } from "realtime-message-sdk"; import { useRoom } from "realtime-message-sdk/react";${use}
    export const members: ReadonlyMap<string, Member> = channel.members;`;
  for (const [folder, ...options] of [
    ["esm", "--module", "nodenext"],
    ["cjs", "--module", "nodenext"],
    ["esm", "--module", "esnext", "--moduleResolution", "bundler"],
    ["cjs", "--module", "commonjs", "--moduleResolution", "node10"],
  ]) {
    write(`${folder}/main.ts`, typed);
    run(dir, `${root}node_modules/.bin/tsc`, "--noEmit", "--strict", "--exactOptionalPropertyTypes", "--lib", "es2022,dom", "--target", "es2022", ...options, `${folder}/main.ts`);
  }
  console.log("TypeScript: works with nodenext, bundler and node10");

  write("vite/index.html", '<script type="module" src="./main.js"></script>');
  write("vite/main.js", `import { RealtimeClient } from "realtime-message-sdk"; document.title = String(new RealtimeClient({ baseUrl: "/" }).isConnected());`);
  run(dir, `${root}node_modules/.bin/vite`, "build", "vite", "--logLevel", "warn");
  const [bundle] = readdirSync(join(dir, "vite/dist/assets"));
  if (!readFileSync(join(dir, "vite/dist/assets", bundle), "utf8").includes("presence:join")) throw new Error("the Vite build lacks the SDK");
  // Tree-shaking: what is imported for its types alone, or not used, costs nothing.
  write("vite/main.js", 'import { RealtimeError } from "realtime-message-sdk"; console.log(RealtimeError.name);');
  run(dir, `${root}node_modules/.bin/vite`, "build", "vite", "--logLevel", "warn");
  const [small] = readdirSync(join(dir, "vite/dist/assets"));
  if (readFileSync(join(dir, "vite/dist/assets", small), "utf8").includes("presence:join")) throw new Error("what is not used is bundled");
  console.log("Vite: works, and drops what is not used");
} finally {
  rmSync(dir, { recursive: true, force: true });
}

function write(path, text) {
  mkdirSync(join(dir, path, ".."), { recursive: true });
  writeFileSync(join(dir, path), text);
}

function run(cwd, command, ...args) {
  try {
    return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], timeout: 180_000 });
  } catch (error) {
    console.error(error.stdout);
    throw error;
  }
}
