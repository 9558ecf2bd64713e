type Listener = (...args: never[]) => void;

/** Listeners by event name. What a listener throws is reported, and stops nobody. */
export class Emitter {
  readonly #registrations = new Set<{ readonly event: string; readonly listener: Listener }>();

  /** Adds a listener and returns what removes it. A listener that is added twice is called twice, and removed once for each. */
  on(event: string, listener: Listener): () => void {
    const registration = { event, listener };
    this.#registrations.add(registration);
    return () => {
      this.#registrations.delete(registration);
    };
  }

  /** Removes a listener, once. */
  off(event: string, listener: Listener): void {
    for (const registration of this.#registrations) {
      if (registration.event !== event || registration.listener !== listener) continue;
      this.#registrations.delete(registration);
      return;
    }
  }

  /** Calls the listeners in the order in which they were added: not those added meanwhile, nor those removed meanwhile. */
  emit(event: string, ...args: unknown[]): void {
    for (const registration of [...this.#registrations]) {
      if (registration.event !== event || !this.#registrations.has(registration)) continue;
      try {
        (registration.listener as (...args: unknown[]) => void)(...args);
      } catch (error) {
        // An application's mistake must not keep the member list from being right.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  clear(): void {
    this.#registrations.clear();
  }
}
