/** How long the waits between attempts are. */
export interface Pace {
  /** The first wait, in ms; each later one is twice as long. */
  readonly baseMs: number;
  /** The longest wait, in ms. */
  readonly maxMs: number;
  /** The share of a wait, from 0 to 1, by which it is longer or shorter at random. */
  readonly spread: number;
}

const DEFAULT_PACE: Pace = { baseMs: 500, maxMs: 30_000, spread: 0.5 };

/** The longest time that a timer can wait: with more, it fires at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** One action to repeat later: the waits grow, and are spread at random. */
export class Retry {
  /** How many waits there were since the last `reset`. */
  attempts = 0;
  /** Set while it waits. */
  timer: ReturnType<typeof setTimeout> | undefined;

  /** Calls the action after the next wait, of at least `leastMs`. Replaces an action that waits already. */
  later(action: () => void, leastMs = 0, { baseMs, maxMs, spread }: Pace = DEFAULT_PACE): void {
    this.cancel();
    const middle = Math.min(baseMs * 2 ** this.attempts++, maxMs / (1 + spread));
    const wait = middle * (1 + spread * (2 * Math.random() - 1));
    this.timer = setTimeout(() => {
      this.timer = undefined;
      action();
    }, Math.min(Math.max(leastMs, wait), LONGEST_TIMER_MS));
  }

  /** Ends the wait; the action is not called. */
  cancel(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** Ends the wait, and begins the next one from the shortest. */
  reset(): void {
    this.cancel();
    this.attempts = 0;
  }
}
