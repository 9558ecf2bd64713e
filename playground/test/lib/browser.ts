// Chromium as the tests use it: the one that is installed, none is downloaded.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Browser, chromium } from "playwright-core";

import { until } from "../../../realtime-message-sdk/test/e2e/lib/until.js";

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
    const child = spawn(executablePath, [...args, "about:blank"], { stdio: ["ignore", "ignore", "pipe"] });
    let output = "";
    child.stderr.on("data", (text: Buffer) => (output += text.toString()));
    const address = () => /DevTools listening on (\S+)/.exec(output)?.[1];
    await until("Chromium starts", () => {
      if (child.exitCode !== null) throw new Error(`Chromium ended: ${output}`);
      return address() !== undefined;
    }, 30_000);
    return new PlainBrowser(await chromium.connectOverCDP(address() ?? "", { noDefaults: true }), child, profile);
  }

  readonly browser: Browser;
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #killer = () => {
    this.#child.kill("SIGKILL");
  };

  private constructor(browser: Browser, child: ChildProcess, profile: string) {
    this.browser = browser;
    this.#child = child;
    this.#profile = profile;
    process.once("exit", this.#killer);
  }

  async stop(): Promise<void> {
    process.off("exit", this.#killer);
    const exit = once(this.#child, "exit");
    await this.browser.close(); // which only lets go of it
    this.#child.kill("SIGTERM");
    await exit;
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 10 });
  }
}
