import { expect, test } from "vitest";

import { Server } from "../../realtime-message-sdk/test/e2e/lib/processes.js";
import { until } from "../../realtime-message-sdk/test/e2e/lib/until.js";
import { PlainBrowser } from "./lib/browser.js";
import { open, Person } from "./lib/person.js";

const HIDDEN_MS = 70_000;

test("a page hidden for 70 s, its timers throttled, stays present", { timeout: HIDDEN_MS + 90_000 }, async () => {
  const faults: string[] = [];
  const server = await Server.start();
  // Chromium lets timers of hidden pages run once a second, and after 5 minutes, here 5 seconds, less often if it can.
  const chromium = await PlainBrowser.start(["--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/5"]);
  try {
    const [context] = chromium.browser.contexts();
    if (!context) throw new Error("no context");
    const ada = new Person(await open(context, server.url, faults));
    await ada.join("room", "ada");
    const connId = await ada.connId();
    const bob = new Person(await open(context, server.url, faults)); // in front of Ada's
    await bob.join("room", "bob");
    await until("Ada's page is hidden", () => ada.page.evaluate(() => document.hidden), 30_000);
    await ada.page.evaluate(() => {
      const ticks: number[] = [];
      setInterval(() => ticks.push(Date.now()), 100);
      Object.assign(globalThis, { ticks });
    });

    await new Promise((resolve) => setTimeout(resolve, HIDDEN_MS));

    const ticks = await ada.page.evaluate(() => (globalThis as unknown as { ticks: number[] }).ticks);
    const longest = Math.max(...ticks.map((tick, i) => tick - (ticks[i - 1] ?? tick)));
    expect(ticks.length, "how often a timer of 100 ms ran").toBeLessThan((HIDDEN_MS / 1000) * 2);
    console.log(`hidden for ${HIDDEN_MS} ms: a timer of 100 ms ran ${ticks.length} times, once not for ${longest} ms`);
    await bob.patch('{"mood":"watchful"}');
    await bob.sees('ada online {"mood":"curious"}', 'bob online {"mood":"watchful"}');
    const seen = (await bob.log()).filter(({ kind, text }) => ["join", "update", "leave"].includes(kind) && text.startsWith("ada"));
    expect(seen).toEqual([]);
    expect(await ada.connId()).toBe(connId);
    await ada.sees('ada online {"mood":"curious"}', 'bob online {"mood":"watchful"}');
    expect(faults).toEqual([]);
  } finally {
    await chromium.stop();
    await server.stop();
  }
});
