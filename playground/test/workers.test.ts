// The SDK where there is no page: in a service worker and in a worker, in Chromium.

import { fileURLToPath } from "node:url";

import { build } from "esbuild";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { RealtimeClient } from "../../realtime-message-sdk/src/index.js";
import { Server } from "../../realtime-message-sdk/test/e2e/lib/processes.js";
import { until } from "../../realtime-message-sdk/test/e2e/lib/until.js";
import { launch } from "./lib/browser.js";
import { serve, type Site } from "./lib/site.js";

const ROOM = "workers";

let browser: Browser;
let server: Server;
let site: Site; // the page is not the realtime server's own: what it asks is asked across origins
let origin: string;
let bundle = "";
let page: Page;
let watcher: RealtimeClient;

/** What the worker runs: it joins, sends an event, and says what became of it. */
const script = (url: string) => `
  import { RealtimeClient } from "realtime-message-sdk";
  const client = new RealtimeClient({ baseUrl: ${JSON.stringify(url)} });
  const userId = "ServiceWorkerGlobalScope" in self ? "service worker" : "worker";
  client.joinRoom({ roomId: "${ROOM}", userId, state: { xhr: typeof XMLHttpRequest } }).then(({ channel }) => {
    channel.emit("chat:x", userId);
  });`;

beforeAll(async () => {
  site = await serve((request, response) => {
    const isScript = request.url === "/worker.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? bundle : "<!doctype html><title>a page</title>");
  });
  origin = `http://127.0.0.1:${site.port}`;
  [browser, server] = await Promise.all([launch(), Server.start({ env: { CORS_ORIGINS: origin } })]);
  const stdin = { contents: script(server.url), resolveDir: fileURLToPath(new URL("..", import.meta.url)) };
  const { outputFiles } = await build({ stdin, bundle: true, write: false, format: "iife", platform: "browser", target: "es2022" });
  bundle = outputFiles[0]?.text ?? "";
  page = await browser.newPage();
  await page.goto(origin);
});
afterEach(() => {
  watcher.disconnect();
});
afterAll(async () => {
  await browser.close();
  await server.stop();
  site.close();
});

test.each([
  ["service worker", "undefined", () => page.evaluate(() => navigator.serviceWorker.register("/worker.js").then(() => undefined))],
  ["worker", "function", () => page.evaluate(() => {
    new Worker("/worker.js");
  })],
])("a %s joins, and is heard", async (userId, xhr, start) => {
  watcher = new RealtimeClient({ baseUrl: server.url });
  const { channel } = await watcher.joinRoom({ roomId: ROOM, userId: "watcher" });
  const heard: unknown[] = [];
  channel.on("chat:x", (from) => heard.push(from));
  await start();
  await until("it is heard", () => heard.includes(userId), 30_000);
  expect(channel.users.get(userId)?.members[0]?.state).toEqual({ xhr });
});
