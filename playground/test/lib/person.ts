import type { BrowserContext, Locator, Page } from "playwright-core";
import { expect } from "vitest";

import { until } from "../../../realtime-message-sdk/test/e2e/lib/until.js";

/** How long what should happen at once may take, on a machine that does other things too. */
const PATIENCE_MS = 30_000;

export interface Logged {
  readonly kind: string;
  readonly text: string;
}

/** Opens the playground; whatever a page must never do fails the test through `faults`. */
export async function open(context: BrowserContext, url: string, faults: string[], query: Record<string, string> = {}): Promise<Page> {
  const page = await context.newPage();
  watch(page, url, faults);
  await page.goto(`${url}/?${new URLSearchParams(query).toString()}`);
  return page;
}

/** Notes what a page must never do: throw, go against its content security policy, or ask another server. */
export function watch(page: Page, url: string, faults: string[]): void {
  page.setDefaultTimeout(PATIENCE_MS);
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    if (message.text().includes("Content Security Policy")) faults.push(message.text());
  });
  page.on("request", (request) => {
    if (!/^(data|about):/.test(request.url()) && !request.url().startsWith(url)) faults.push(`a request to ${request.url()}`);
  });
}

/** One participant on a page, as a user meets it. */
export class Person {
  readonly page: Page;
  readonly panel: Locator;

  constructor(page: Page, index = 0) {
    this.page = page;
    this.panel = page.locator(".participant").nth(index);
  }

  async join(roomId: string, userId: string): Promise<void> {
    await this.panel.getByLabel("Room").fill(roomId);
    await this.panel.getByLabel("User").fill(userId);
    await this.press("Join");
    await this.is("In the room");
  }

  press(name: string): Promise<void> {
    return this.panel.getByRole("button", { name, exact: true }).click();
  }

  toggleNetwork(): Promise<void> {
    return this.panel.getByRole("switch", { name: "Network" }).click();
  }

  async say(text: string): Promise<void> {
    await this.panel.getByLabel("Message").fill(text);
    await this.press("Send");
  }

  async patch(json: string): Promise<void> {
    await this.panel.getByLabel("Patch").fill(json);
    await this.press("Update state");
  }

  /** Waits until the pill says so. */
  is(status: string): Promise<void> {
    return this.panel.locator(".pill", { hasText: status }).waitFor();
  }

  /** Waits until somebody said that. */
  hears(text: string): Promise<void> {
    return this.panel.locator(".lines p", { hasText: text }).waitFor();
  }

  /** The connections on the list, sorted, as `user status state`. */
  members(): Promise<string[]> {
    return this.panel.locator(".user .connections > li").evaluateAll((rows) =>
      rows
        .map((row) => {
          const { dataset } = row as HTMLElement;
          const user = row.closest<HTMLElement>(".user")?.dataset.user ?? "?";
          return `${user} ${dataset.status ?? "?"} ${row.querySelector("code")?.textContent ?? ""}`;
        })
        .sort(),
    );
  }

  /** Waits until the list is this. */
  async sees(...members: string[]): Promise<void> {
    const wanted = [...members].sort();
    let last: string[] = [];
    await until("the member list", async () => {
      last = await this.members();
      return last.join("\n") === wanted.join("\n");
    }, PATIENCE_MS).catch(() => {
      expect(last, "the member list").toEqual(wanted);
    });
  }

  /** The own connId. */
  async connId(): Promise<string> {
    return (await this.panel.locator("[data-own]").first().getAttribute("data-conn")) ?? "";
  }

  /** The event log, oldest first. */
  log(): Promise<Logged[]> {
    return this.panel.locator(".entries li").evaluateAll((rows) =>
      rows
        .map((row) => ({ kind: (row as HTMLElement).dataset.kind ?? "", text: row.querySelector(".text")?.textContent ?? "" }))
        .reverse(),
    );
  }

  /** What the log has of one user's coming and going. */
  async comingsAndGoings(userId: string): Promise<string[]> {
    const log = await this.log();
    return log.filter(({ kind, text }) => (kind === "join" || kind === "leave") && text.split(/[ ,]/)[0] === userId).map(({ kind }) => kind);
  }

  /** Waits for an entry of the event log. */
  async logs(kind: string, text: string, ms = PATIENCE_MS): Promise<void> {
    await this.panel.locator(`.entries [data-kind=${kind}]`, { hasText: text }).first().waitFor({ state: "attached", timeout: ms });
  }
}
