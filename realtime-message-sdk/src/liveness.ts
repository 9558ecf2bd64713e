// A timer that fires this much too late was throttled (a tab in the
// background) or slept (a laptop): the answer may be there, not looked at yet.
const LATE_MS = 1000;

/** What the scheduler needs to know and to do. */
export interface LivenessOptions {
  readonly intervalMs: number;
  readonly ackTimeoutMs: number;
  readonly maxMissed: number;
  /** A heartbeat is due; it calls `sent` if it sends one. */
  beat(): void;
  /** Too many heartbeats in a row were missed. */
  dead(): void;
}

/** When to send heartbeats, and when to take a connection for dead. Owns its timers between `start` and `stop`. */
export class Liveness {
  readonly #options: LivenessOptions;
  #interval: ReturnType<typeof setTimeout> | undefined;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #missed = 0;

  constructor(options: LivenessOptions) {
    this.#options = options;
  }

  /** A request was sent that is answered at once on a connection that lives. */
  sent(): void {
    if (this.#deadline === undefined) this.#await(true);
  }

  /** An answer came: all is well, the next heartbeat is due an interval from now. */
  heard(): void {
    this.#missed = 0;
    clearTimeout(this.#deadline);
    clearTimeout(this.#interval);
    this.#deadline = undefined;
    this.#interval = setTimeout(() => {
      this.probe();
    }, this.#options.intervalMs);
  }

  /** Sends a heartbeat now, unless an answer is awaited. */
  probe(): void {
    if (this.#deadline === undefined) this.#options.beat();
  }

  stop(): void {
    clearTimeout(this.#interval);
    clearTimeout(this.#deadline);
    this.#interval = this.#deadline = undefined;
    this.#missed = 0;
  }

  #await(mayBeLate: boolean): void {
    const due = Date.now() + this.#options.ackTimeoutMs;
    this.#deadline = setTimeout(() => {
      this.#deadline = undefined;
      if (mayBeLate && Date.now() - due > LATE_MS) {
        this.#await(false);
      } else if (++this.#missed >= this.#options.maxMissed) {
        this.stop();
        this.#options.dead();
      } else {
        this.#options.beat();
        this.sent();
      }
    }, this.#options.ackTimeoutMs);
  }
}
