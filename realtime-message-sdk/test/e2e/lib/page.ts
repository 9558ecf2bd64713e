// What of a page the SDK looks at, so that Node.js can load, reload and close one.

/** A tab: its storage outlives its pages. */
export class Tab {
  readonly #stored = new Map<string, string>();
  #events = new EventTarget();

  /** From now on code runs in a new page of this tab. */
  load(): void {
    const events = (this.#events = new EventTarget());
    const addEventListener = events.addEventListener.bind(events);
    const sessionStorage = {
      getItem: (key: string) => this.#stored.get(key) ?? null,
      setItem: (key: string, value: string) => this.#stored.set(key, value),
      removeItem: (key: string) => this.#stored.delete(key),
    };
    Object.assign(globalThis, { document: { addEventListener, hidden: false }, addEventListener, sessionStorage });
  }

  /** The page goes away. */
  hide(): void {
    this.#events.dispatchEvent(Object.assign(new Event("pagehide"), { persisted: false }));
  }

  /** From now on code runs outside of any page. */
  static none(): void {
    for (const name of ["document", "addEventListener", "sessionStorage"]) Reflect.deleteProperty(globalThis, name);
  }
}
