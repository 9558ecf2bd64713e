/**
 * Runs what changes a channel in steps. Listeners are told after a step, when
 * everything fits together again, in the order in which things happened; what
 * a listener does in answer is a step of its own, told after what it is an answer to.
 */
export class Steps {
  readonly #news: (() => void)[] = [];
  #running = false;

  /** Runs a step, and tells its news unless it is part of another one or was taken by a listener: then they wait for their turn. */
  run<T>(step: () => T): T {
    if (this.#running) return step();
    this.#running = true;
    try {
      const result = step();
      for (let tell = this.#news.shift(); tell; tell = this.#news.shift()) tell();
      return result;
    } finally {
      this.#running = false;
    }
  }

  /** Tells something after the step that runs; at once if none does. */
  news(tell: () => void): void {
    this.run(() => {
      this.#news.push(tell);
    });
  }
}
