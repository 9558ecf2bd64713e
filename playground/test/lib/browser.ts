// Chromium as the tests use it: the one that is installed, none is downloaded.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Browser, chromium } from "playwright-core";

import { Process } from "../../../e2e/lib/process.mjs";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** A browser that keeps pages in its back/forward cache, as browsers do unless a test tool forbids it. */
export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath, ignoreDefaultArgs: ["--disable-back-forward-cache"] });
}

/**
 * A browser whose pages are hidden when another is in front of them, and whose
 * timers are throttled then: in those that Playwright launches every page is in front, always.
 */
export class PlainBrowser {
  static async start(flags: string[]): Promise<PlainBrowser> {
    const profile = await mkdtemp(join(tmpdir(), "realtime-chromium-"));
    const args = ["--headless=new", "--no-sandbox", "--no-first-run", "--disable-dev-shm-usage", "--remote-debugging-port=0", `--user-data-dir=${profile}`, ...flags];
    const child = new Process("Chromium", executablePath, [...args, "about:blank"]);
    const [, address = ""] = await child.errors(/DevTools listening on (\S+)/, 30_000);
    return new PlainBrowser(await chromium.connectOverCDP(address, { noDefaults: true }), child, profile);
  }

  readonly browser: Browser;
  readonly #child: Process;
  readonly #profile: string;

  private constructor(browser: Browser, child: Process, profile: string) {
    this.browser = browser;
    this.#child = child;
    this.#profile = profile;
  }

  async stop(): Promise<void> {
    await this.browser.close(); // which only lets go of it
    this.#child.signal("SIGTERM");
    await this.#child.ended();
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 10 });
  }
}
