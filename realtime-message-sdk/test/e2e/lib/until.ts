import { until as poll } from "../../../../e2e/lib/wait.mjs";

/** How long a test waits for what should happen at once, on a machine that does other things too. */
const SOON_MS = 15_000;

/** Polls until the condition holds; fails at the deadline. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, ms = SOON_MS): Promise<void> {
  await poll(what, condition, ms);
}
