import { setTimeout as sleep } from "node:timers/promises";

/** How long a test waits for what should happen at once, on a machine that does other things too. */
const SOON_MS = 15_000;

/** Polls until the condition holds; fails at the deadline. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, ms = SOON_MS): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(5);
  }
}
