/** A promise that is settled from outside. One that nobody looks at may be rejected: events tell of that, too. */
export class Deferred<T> {
  resolve!: (value: T | Promise<T>) => void;
  reject!: (error: unknown) => void;
  readonly promise = new Promise<T>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });

  constructor() {
    this.promise.catch(() => undefined);
  }
}
