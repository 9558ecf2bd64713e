/** Listeners by event name. A listener may be added or removed while one runs; what it throws is reported, and stops nobody. */
export class Emitter {
  readonly #listeners = new Map<string, Set<(...args: never[]) => void>>();

  /** Adds a listener and returns what removes it. */
  on(event: string, listener: (...args: never[]) => void): () => void {
    let set = this.#listeners.get(event);
    if (!set) this.#listeners.set(event, (set = new Set()));
    set.add(listener);
    return () => {
      set.delete(listener);
    };
  }

  off(event: string, listener: (...args: never[]) => void): void {
    this.#listeners.get(event)?.delete(listener);
  }

  /** Calls the listeners in the order in which they were added. */
  emit(event: string, ...args: unknown[]): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      try {
        (listener as (...args: unknown[]) => void)(...args);
      } catch (error) {
        // An application's mistake must not keep the member list from being right.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  clear(): void {
    this.#listeners.clear();
  }
}
