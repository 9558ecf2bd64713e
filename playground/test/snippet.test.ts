// The snippet of README.md works in a plain page, as it stands there.

import { readFileSync } from "node:fs";

import { expect, test } from "vitest";

import { Server } from "../../realtime-message-sdk/test/e2e/lib/processes.js";
import { until } from "../../realtime-message-sdk/test/e2e/lib/until.js";
import { launch } from "./lib/browser.js";
import { serve } from "./lib/site.js";

test("the snippet of README.md joins a room from a page of another port", async () => {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  const snippet = /```html\n(<script src=[^]*?)```/.exec(readme)?.[1];
  if (!snippet) throw new Error("README.md has no such snippet");
  const [server, browser] = await Promise.all([Server.start(), launch()]);
  const page = snippet.replaceAll("http://localhost:3000", `http://localhost:${server.port}`);
  const site = await serve((_, response) => {
    response.setHeader("Content-Type", "text/html").end(`<!doctype html><title>plain</title>${page}`);
  });
  try {
    const tab = await browser.newPage();
    const faults: string[] = [];
    const lines: string[] = [];
    tab.on("pageerror", (error) => faults.push(String(error)));
    tab.on("console", (message) => lines.push(message.text()));
    await tab.goto(`http://localhost:${site.port}/`);
    await until("the page has joined", () => lines.some((line) => line.startsWith("join ada")), 30_000);
    expect(lines.some((line) => line.startsWith("[")), lines.join("\n")).toBe(true);
    expect(faults).toEqual([]);
  } finally {
    await browser.close();
    site.close();
    await server.stop();
  }
});
