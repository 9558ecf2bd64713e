// Which pages may connect, as a browser sees it: one that a development server serves at another port, and strangers.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";

import { Server } from "../../realtime-message-sdk/test/e2e/lib/processes.js";
import { launch } from "./lib/browser.js";
import { serve, type Site } from "./lib/site.js";

let browser: Browser;
let pages: Site;

beforeAll(async () => {
  pages = await serve((_, response) => response.setHeader("Content-Type", "text/html").end("<title>elsewhere</title>"));
  browser = await launch();
});
afterAll(async () => {
  await browser.close();
  pages.close();
});

interface Access {
  readonly polling: boolean;
  readonly credentials: boolean;
  readonly webSocket: boolean;
}

/** What a page of a host may do at a server. */
async function access(host: string, url: string): Promise<Access> {
  const page: Page = await browser.newPage();
  await page.goto(`http://${host}:${pages.port}/`);
  const result = await page.evaluate(async (address) => {
    const poll = (credentials: RequestCredentials): Promise<boolean> =>
      fetch(`${address}/socket.io/?EIO=4&transport=polling`, { credentials }).then(
        (answer) => answer.ok,
        () => false,
      );
    const webSocket = new Promise<boolean>((resolve) => {
      const socket = new WebSocket(`${address.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`);
      socket.onmessage = () => { resolve(true); };
      socket.onerror = () => { resolve(false); };
    });
    return { polling: await poll("omit"), credentials: await poll("include"), webSocket: await webSocket };
  }, url);
  await page.close();
  return result;
}

const ALL: Access = { polling: true, credentials: true, webSocket: true };
const NONE: Access = { polling: false, credentials: false, webSocket: false };

test("dev takes the pages of this machine, at any port, and no others", async () => {
  const server = await Server.start();
  expect(await access("localhost", server.url)).toEqual(ALL);
  expect(await access("127.0.0.1", server.url)).toEqual(ALL);
  expect(await access("evil.localhost", server.url)).toEqual(NONE);
  await server.stop();
});

test("any origin is without credentials", async () => {
  const server = await Server.start({ env: { CORS_ORIGINS: "*" } });
  expect(await access("evil.localhost", server.url)).toEqual({ polling: true, credentials: false, webSocket: true });
  await server.stop();
});

test("subdomains may be listed together", async () => {
  const server = await Server.start({ env: { CORS_ORIGINS: "http://*.localhost:*" } });
  expect(await access("a.localhost", server.url)).toEqual(ALL);
  expect(await access("a.b.localhost", server.url)).toEqual(ALL);
  expect(await access("localhost", server.url)).toEqual(NONE);
  await server.stop();
});
