const MIN_MS = 500;
const MAX_MS = 30_000;

/** One thing to do again later: waits grow from half a second to 30 s, spread at random. */
export class Retry {
  /** How often in a row it waited. */
  attempts = 0;
  /** Set while it waits. */
  timer: ReturnType<typeof setTimeout> | undefined;

  /** Does it after the next wait, of at least `leastMs` and about `mostMs` at most; what waited already waits no longer. */
  later(action: () => void, leastMs = 0, mostMs = MAX_MS): void {
    this.cancel();
    const wait = Math.min(mostMs, MIN_MS * 2 ** this.attempts++) * (0.5 + Math.random());
    this.timer = setTimeout(() => {
      this.timer = undefined;
      action();
    }, Math.max(leastMs, wait));
  }

  /** What waits is not done. */
  cancel(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** It went well: the next wait is a short one again. */
  reset(): void {
    this.cancel();
    this.attempts = 0;
  }
}
