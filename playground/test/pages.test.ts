// Two pages in Chromium, and what may happen to them.

import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";

import { Proxy } from "../../e2e/lib/proxy.mjs";
import { Server } from "../../realtime-message-sdk/test/e2e/lib/processes.js";
import { until } from "../../realtime-message-sdk/test/e2e/lib/until.js";
import { launch } from "./lib/browser.js";
import { open, Person, watch } from "./lib/person.js";

// Long enough for the slowest machine to load a page; the default is 3 s.
const PATIENT = { graceMs: "60000", pageGraceMs: "60000" };
const CURIOUS = '{"mood":"curious"}';

let browser: Browser;
let server: Server;
let contexts: BrowserContext[] = [];
let faults: string[] = [];
let rooms = 0;

beforeAll(async () => {
  [browser, server] = await Promise.all([launch(), Server.start()]);
});
afterAll(async () => {
  await browser.close();
  await server.stop();
});
beforeEach(() => {
  rooms++;
});
afterEach(async () => {
  const seen = faults;
  await Promise.all(contexts.map((context) => context.close()));
  contexts = [];
  faults = [];
  expect(seen).toEqual([]);
});

/** A page with storage and cookies of its own, as in another browser. */
async function visit(url: string, query: Record<string, string> = {}): Promise<Page> {
  const context = await browser.newContext();
  contexts.push(context);
  return open(context, url, faults, query);
}

/** Ada and Bob in a room of their own, seeing each other. */
async function pair(url = server.url, query: Record<string, string> = {}): Promise<[Person, Person]> {
  const people = [new Person(await visit(url, query)), new Person(await visit(url, query))] as const;
  await people[0].join(`room ${rooms}`, "ada");
  await people[1].join(`room ${rooms}`, "bob");
  for (const person of people) await person.sees(`ada online ${CURIOUS}`, `bob online ${CURIOUS}`);
  return [...people];
}

test("two pages see each other, update and chat", async () => {
  const [ada, bob] = await pair();
  await ada.patch('{"mood":"happy","n":[1,{"deep":null}]}');
  await bob.sees('ada online {"mood":"happy","n":[1,{"deep":null}]}', `bob online ${CURIOUS}`);
  await bob.say("hello <b>Ada</b>");
  await ada.hears("hello <b>Ada</b>");
  await ada.say("hello Bob");
  await bob.hears("hello Bob");
  await ada.press("Heartbeat");
  await ada.logs("heartbeat", "acknowledged");
  const farewell = ada.panel.locator("[data-user=bob][data-status=left]").waitFor(); // it lasts for a moment
  await bob.press("Leave");
  await farewell;
  await ada.logs("leave", "bob, reason: leave");
  await ada.sees(`ada online {"mood":"happy","n":[1,{"deep":null}]}`);
});

test("what is no patch is refused with a reason", async () => {
  const [ada] = await pair();
  for (const text of ["{mood}", "[1]", "null"]) {
    await ada.patch(text);
    expect(await ada.panel.getByLabel("Patch").getAttribute("aria-invalid")).toBe("true");
    expect(await ada.panel.locator(".state [role=alert]").innerText()).toMatch(/JSON/);
  }
  await ada.patch("{}");
  await until("the note is gone", async () => (await ada.panel.locator(".state [role=alert]").innerText()) === "");
});

test("a second participant in the same window", async () => {
  const page = await visit(server.url, PATIENT);
  const ada = new Person(page);
  await ada.join(`room ${rooms}`, "ada");
  await page.getByRole("button", { name: "Add participant" }).click();
  const bob = new Person(page, 1);
  await bob.join(`room ${rooms}`, "bob");
  await ada.sees(`ada online ${CURIOUS}`, `bob online ${CURIOUS}`);
  const connIds = [await ada.connId(), await bob.connId()];

  await page.getByRole("button", { name: "Reload page" }).click();
  await ada.logs("joined", "resumed");
  await bob.logs("joined", "resumed");
  expect([await ada.connId(), await bob.connId()]).toEqual(connIds);

  await bob.press("Remove");
  await ada.logs("leave", "bob, reason: leave");
  expect(await page.locator(".participant").count()).toBe(1);
});

test("a reload is neither a leave nor a join", async () => {
  const [ada, bob] = await pair(server.url, PATIENT);
  const connId = await ada.connId();
  for (let i = 0; i < 3; i++) {
    await ada.page.reload();
    await ada.logs("joined", "resumed as the same member");
  }
  expect(await ada.connId()).toBe(connId);
  // Events come in order: after this one, everything before it was seen.
  await ada.patch('{"reloaded":true}');
  await bob.sees('ada online {"mood":"curious","reloaded":true}', `bob online ${CURIOUS}`);
  expect(await bob.comingsAndGoings("ada")).toEqual([]);
});

test("a page that is closed leaves", async () => {
  // By its pageGraceMs of 3 s: a lost connection would keep it for longer than this test waits.
  const [ada, bob] = await pair(server.url, { graceMs: "60000" });
  const closed = Date.now();
  await ada.page.close();
  await bob.logs("leave", "ada");
  const ms = Date.now() - closed;
  console.log(`a closed page left after ${ms} ms`);
  expect(ms).toBeGreaterThan(2900);
  expect(await bob.comingsAndGoings("ada")).toEqual(["leave"]);
  await bob.sees(`bob online ${CURIOUS}`);
});

test("a page comes back from the back/forward cache as the same member", async () => {
  const [ada, bob] = await pair(server.url, PATIENT);
  const connId = await ada.connId();
  await ada.page.evaluate(() => Object.assign(globalThis, { untouched: true }));
  await ada.page.goto(`${server.url}/healthz`);
  await ada.page.evaluate(() => {
    history.back();
  });
  await until("the page is back", () => ada.page.evaluate(() => document.title !== "").catch(() => false), 30_000);
  expect(await ada.page.evaluate(() => "untouched" in globalThis), "it was in the cache").toBe(true);
  await ada.logs("back", "resumed as the same member");
  expect(await ada.connId()).toBe(connId);
  await ada.patch('{"back":true}');
  await bob.sees('ada online {"mood":"curious","back":true}', `bob online ${CURIOUS}`);
  expect(await bob.comingsAndGoings("ada")).toEqual([]);
});

test("a duplicated tab is a member of its own", async () => {
  const [ada, bob] = await pair();
  const connId = await ada.connId();
  // As the browser does it: the new tab begins with a copy of the session storage.
  const opened = ada.page.waitForEvent("popup");
  await ada.page.evaluate(() => window.open(location.href));
  const twin = new Person(await opened);
  watch(twin.page, server.url, faults);
  await twin.logs("joined", "as a new member");
  expect(await twin.connId()).not.toBe(connId);
  for (const person of [ada, bob, twin]) await person.sees(`ada online ${CURIOUS}`, "ada online {}", `bob online ${CURIOUS}`);
  expect(await ada.connId()).toBe(connId);
  await ada.is("In the room");
});

test("the network switched off on the page: away, offline changes wait, then back", async () => {
  const [ada, bob] = await pair(server.url, PATIENT);
  const connId = await ada.connId();
  await ada.toggleNetwork();
  await ada.is("Network off");
  await ada.sees(`ada away ${CURIOUS}`, `bob online ${CURIOUS}`);
  await bob.sees(`ada away ${CURIOUS}`, `bob online ${CURIOUS}`);
  await ada.patch('{"mood":"patient"}');
  await ada.say("said offline");
  await ada.toggleNetwork();
  await ada.is("In the room");
  await bob.sees('ada online {"mood":"patient"}', `bob online ${CURIOUS}`);
  await bob.hears("said offline");
  expect(await ada.connId()).toBe(connId);
  expect(await bob.comingsAndGoings("ada")).toEqual([]);
});

test("a network that carries nothing any more: away, then back", async () => {
  // The server gives a silent connection up after 6 s.
  const own = await Server.start({ env: { PRESENCE_REAPER_LOOKBACK_MS: "6000", PRESENCE_TTL_MS: "6000" } });
  const proxy = await Proxy.start(() => own.port);
  try {
    const ada = new Person(await visit(`http://127.0.0.1:${proxy.port}`, PATIENT));
    const bob = new Person(await visit(own.url));
    await ada.join("room", "ada");
    await bob.join("room", "bob");
    await ada.sees(`ada online ${CURIOUS}`, `bob online ${CURIOUS}`);
    const connId = await ada.connId();
    proxy.silence();
    await bob.sees(`ada away ${CURIOUS}`, `bob online ${CURIOUS}`);
    await ada.patch('{"mood":"patient"}');
    proxy.speak();
    for (const person of [ada, bob]) await person.sees('ada online {"mood":"patient"}', `bob online ${CURIOUS}`);
    expect(await ada.connId()).toBe(connId);
    expect(await bob.comingsAndGoings("ada")).toEqual([]);
    await bob.say("welcome back");
    await ada.hears("welcome back");
  } finally {
    await proxy.stop();
    await own.kill();
  }
});

test("the server is killed and started again: both recover and agree", async () => {
  const first = await Server.start();
  const [ada, bob] = await pair(first.url);
  await ada.patch('{"mood":"steady"}');
  await bob.sees('ada online {"mood":"steady"}', `bob online ${CURIOUS}`);
  await first.kill();
  for (const person of [ada, bob]) await person.is("Reconnecting");
  await bob.patch('{"offline":1}');
  const second = await Server.start({ port: first.port });
  try {
    for (const person of [ada, bob]) await person.sees('ada online {"mood":"steady"}', 'bob online {"mood":"curious","offline":1}');
    for (const person of [ada, bob]) await person.is("In the room");
    await ada.say("still there?");
    await bob.hears("still there?");
  } finally {
    await second.kill();
  }
});
