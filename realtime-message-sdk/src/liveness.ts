import type { PresenceSettings } from "./options.js";

// A timer that fires this much too late was throttled (a tab in the
// background) or slept (a laptop): the answer may be there, not looked at yet.
const LATE_MS = 1000;

/** When to send heartbeats, and when to take a connection for dead. Owns its timers between `start` and `stop`. */
export class Liveness {
  readonly #options: PresenceSettings;
  readonly #beat: () => void;
  readonly #dead: () => void;
  #interval: ReturnType<typeof setTimeout> | undefined;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #missed = 0;

  /** `beat` sends a heartbeat, if it can, and calls `sent`; `dead` follows too many that were missed in a row. */
  constructor(options: PresenceSettings, beat: () => void, dead: () => void) {
    this.#options = options;
    this.#beat = beat;
    this.#dead = dead;
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
    }, this.#options.heartbeatIntervalMs);
  }

  /** Sends a heartbeat now, unless an answer is awaited. */
  probe(): void {
    if (this.#deadline === undefined) this.#beat();
  }

  stop(): void {
    clearTimeout(this.#interval);
    clearTimeout(this.#deadline);
    this.#interval = this.#deadline = undefined;
    this.#missed = 0;
  }

  #await(mayBeLate: boolean): void {
    const due = Date.now() + this.#options.heartbeatAckTimeoutMs;
    this.#deadline = setTimeout(() => {
      this.#deadline = undefined;
      if (mayBeLate && Date.now() - due > LATE_MS) {
        this.#await(false);
      } else if (++this.#missed >= this.#options.maxMissedHeartbeats) {
        this.stop();
        this.#dead();
      } else {
        this.#beat();
        this.sent();
      }
    }, this.#options.heartbeatAckTimeoutMs);
  }
}
