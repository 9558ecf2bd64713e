import type { Connection } from "./connection.js";
import type { PresenceSettings } from "./options.js";

// A timer that fires this much too late was throttled (a tab in the
// background) or slept (a laptop): the answer may be there, not looked at yet.
const LATE_MS = 1000;

/** When to send heartbeats, and when to take a connection for dead. Owns its timers between `start` and `stop`. */
export class Liveness {
  readonly #options: PresenceSettings;
  readonly #connection: Connection;
  readonly #beat: () => void;
  readonly #dead: () => void;
  #interval: ReturnType<typeof setTimeout> | undefined;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #missed = 0;
  #doubted = false;

  /** `beat` sends a heartbeat, if it can, and calls `sent`; `dead` follows too many that were missed in a row. */
  constructor(options: PresenceSettings, connection: Connection, beat: () => void, dead: () => void) {
    this.#options = options;
    this.#connection = connection;
    this.#beat = beat;
    this.#dead = dead;
  }

  /** A request was sent that is answered at once on a connection that lives. */
  sent(): void {
    this.#connection.askedMs = Date.now();
    if (this.#deadline === undefined) this.#await(true);
  }

  /** An answer came: all is well, the next heartbeat is due an interval from now. */
  heard(): void {
    this.#missed = 0;
    this.#doubted = false;
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
    this.#wait(this.#options.heartbeatIntervalMs);
  }

  /** The next heartbeat is to be this channel's own: its membership may be lost although the connection lives. */
  doubt(): void {
    this.#doubted = true;
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

  #wait(ms: number): void {
    clearTimeout(this.#interval);
    this.#interval = setTimeout(() => {
      // One heartbeat speaks for the connection: while another channel asks, this
      // one waits, a moment less than the one that asked. So the channels take
      // turns, and each finds out in its own turn whether it is still a member.
      const quiet = Date.now() - this.#connection.askedMs;
      const turn = this.#options.heartbeatIntervalMs - 1;
      if (!this.#doubted && quiet >= 0 && quiet < turn) this.#wait(turn - quiet);
      else this.probe();
    }, ms);
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
