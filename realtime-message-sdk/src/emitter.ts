/** Listeners by event name. A listener may be added or removed while one runs; what it throws is reported, and stops nobody. */
export class Emitter {
  readonly #listeners = new Map<string, Set<(...args: never[]) => void>>();

  /** Adds a listener and returns what removes it. */
  on(event: string, listener: (...args: never[]) => void): () => void {
    let set = this.#listeners.get(event);
    if (!set) this.#listeners.set(event, (set = new Set()));
    set.add(listener);
    return () => {
      this.off(event, listener);
    };
  }

  off(event: string, listener: (...args: never[]) => void): void {
    const set = this.#listeners.get(event);
    if (set?.delete(listener) && set.size === 0) this.#listeners.delete(event);
  }

  /** Calls the listeners in the order in which they were added; false if there are none. */
  emit(event: string, ...args: unknown[]): boolean {
    const set = this.#listeners.get(event);
    for (const listener of [...(set ?? [])]) {
      try {
        (listener as (...args: unknown[]) => void)(...args);
      } catch (error) {
        // An application's mistake must not keep the member list from being right.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    return set !== undefined;
  }

  clear(): void {
    this.#listeners.clear();
  }
}
