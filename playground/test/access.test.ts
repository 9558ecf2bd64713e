// The page for those who use no mouse, or do not see it, or have a small screen.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import type { AxeResults } from "axe-core";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";

import { Server } from "../../realtime-message-sdk/test/e2e/lib/processes.js";
import { launch } from "./lib/browser.js";
import { open, Person } from "./lib/person.js";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let browser: Browser;
let server: Server;

beforeAll(async () => {
  [browser, server] = await Promise.all([launch(), Server.start()]);
});
afterAll(async () => {
  await browser.close();
  await server.stop();
});

/** What has the focus, as it is called, and whether one sees that. */
function focused(page: Page): Promise<{ name: string; visible: boolean }> {
  return page.evaluate(() => {
    const element = document.activeElement as HTMLElement;
    const { labels } = element as HTMLInputElement;
    const by = element.getAttribute("aria-labelledby");
    const name = labels?.[0]?.textContent ?? (by ? document.getElementById(by)?.textContent : element.textContent) ?? "";
    return { name: name.trim(), visible: getComputedStyle(element).outlineStyle !== "none" };
  });
}

/** Presses a key until what is called so has the focus. */
async function tabTo(page: Page, name: string, key = "Tab"): Promise<void> {
  const passed: string[] = [];
  for (let i = 0; i < 40; i++) {
    await page.keyboard.press(key);
    const now = await focused(page);
    if (now.name !== "") expect(now, `the focus is seen on ${now.name}`).toMatchObject({ visible: true });
    if (now.name.startsWith(name)) return;
    passed.push(now.name);
  }
  throw new Error(`${key} does not lead to ${name}, only to ${passed.join(", ")}`);
}

test("join, patch, chat and leave with the keyboard alone", async () => {
  const context = await browser.newContext();
  const watcher = new Person(await open(context, server.url, []));
  await watcher.join("keys", "watcher");
  const page = await open(context, server.url, []);
  const ada = new Person(page);
  const { keyboard } = page;

  await tabTo(page, "Room");
  await keyboard.press("ControlOrMeta+a");
  await keyboard.type("keys");
  await tabTo(page, "User");
  await keyboard.press("ControlOrMeta+a");
  await keyboard.type("ada");
  await keyboard.press("Enter");
  await ada.is("In the room");
  expect(await focused(page)).toMatchObject({ name: "ada" }); // the form with the focus is gone

  await tabTo(page, "Patch");
  await keyboard.press("ControlOrMeta+a");
  await keyboard.type('{"typed": true}');
  await keyboard.press("Control+Enter");
  await watcher.sees('ada online {"mood":"curious","typed":true}', 'watcher online {"mood":"curious"}');

  await tabTo(page, "Message");
  await keyboard.type("no mouse here");
  await keyboard.press("Enter");
  await watcher.hears("no mouse here");

  await tabTo(page, "Network", "Shift+Tab");
  await keyboard.press("Space");
  await ada.is("Network off");
  await keyboard.press("Space");
  await ada.is("In the room");

  await tabTo(page, "Leave");
  await keyboard.press("Enter");
  await watcher.logs("leave", "ada, reason: leave");
  expect(await focused(page)).toMatchObject({ name: "Room" });
  await context.close();
});

test("the focus goes through everything in reading order, both ways", async () => {
  const context = await browser.newContext();
  const page = await open(context, server.url, []);
  await new Person(page).join("tour", "ada");
  const stops = ["Reload page", "Add participant", "Heartbeat", "Network", "Leave", "Members", "Patch", "Update state", "Chat", "Message", "Send", "Heartbeats", "Clear", "Events"];
  const tour = async (key: string, names: string[]) => {
    for (const name of names) {
      await page.keyboard.press(key);
      expect((await focused(page)).name).toMatch(new RegExp(`^${name}\\b`));
    }
  };
  // Not around the end of the page: what is beyond it belongs to the browser.
  await page.getByRole("button", { name: "Reload page" }).focus();
  await tour("Tab", stops.slice(1));
  await tour("Shift+Tab", stops.slice(0, -1).reverse());
  await context.close();
});

test("what happens is announced", async () => {
  const context = await browser.newContext();
  const [ada, bob] = [new Person(await open(context, server.url, [])), new Person(await open(context, server.url, []))];
  const announced = (text: string) => ada.page.locator("[role=status]", { hasText: text }).waitFor({ state: "attached" });
  await ada.join("news", "ada");
  await announced("ada is in news");
  await bob.join("news", "bob");
  await announced("bob joined.");
  await bob.toggleNetwork();
  await announced("bob is away.");
  await bob.press("Leave");
  await ada.toggleNetwork();
  await announced("Connection lost.");
  await ada.toggleNetwork();
  await announced("Connected again");
  await context.close();
});

test.each([
  ["light", 1280],
  ["dark", 1280],
  ["light", 320],
] as const)("axe finds no fault, and nothing is wider than the page: %s, %i px", async (colorScheme, width) => {
  const context = await browser.newContext({ colorScheme, viewport: { width, height: 800 }, reducedMotion: "reduce" });
  const page = await open(context, server.url, []);
  const check = async () => {
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run());
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`)).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
  };
  await check();
  const ada = new Person(page);
  await ada.join(`axe ${colorScheme} ${width} with a name that is rather long`, "ada");
  await page.getByRole("button", { name: "Add participant" }).click();
  const bob = new Person(page, 1);
  await bob.join(`axe ${colorScheme} ${width} with a name that is rather long`, "bob");
  await bob.patch(`{"long":"${"x".repeat(300)}"}`);
  await bob.say("hello");
  await ada.hears("hello");
  await bob.toggleNetwork();
  await ada.panel.locator("[data-user=bob][data-status=away]").waitFor();
  await ada.patch("nonsense");
  await check();
  await context.close();
});
