import { RealtimeError } from "./errors.js";
import type { Wire } from "./wire.js";

/** How many events may wait, and how many bytes of them; one that is larger may wait alone. */
const MAX_WAITING = 1000;
const MAX_WAITING_BYTES = 1 << 20;

interface Waiting {
  readonly event: string;
  readonly args: unknown[];
  readonly asked: boolean;
  readonly bytes: number;
  readonly resolve: (answer: never) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Custom events on their way. While the outbox is open they are sent in order,
 * a few at a time; until then they wait, up to a bound. Whoever sent one that
 * is not delivered is told.
 */
export class Outbox {
  readonly #wire: Wire;
  readonly #waiting = new Set<Waiting>();
  #bytes = 0; // of those that wait
  #inFlight = 0;
  #open = false;

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  /** Sends an event when its turn comes. A function given last is called with the answer. `Wire.lost` is told if that fails. */
  emit(event: string, args: unknown[]): void {
    const last = args.at(-1);
    if (typeof last === "function") this.ask(event, args.slice(0, -1)).then(last as () => void, this.#lost);
    else this.#add(event, args, false).catch(this.#lost);
  }

  /** Sends an event when its turn comes, for an answer that must come within `ms`, if given. */
  ask(event: string, args: unknown[], ms?: number): Promise<never> {
    return this.#add(event, args, true, ms);
  }

  /** Sends an event if it can be sent now. Returns whether it was. */
  emitVolatile(event: string, args: unknown[]): boolean {
    if (!this.#open || this.#waiting.size > 0) return false;
    try {
      this.#wire.measure(event, args);
      return this.#wire.sendVolatile(event, args);
    } catch (error) {
      this.#lost(error);
      return false;
    }
  }

  /** From now on events are sent. */
  open(): void {
    this.#open = true;
    this.#flush();
  }

  /** From now on they wait. */
  close(): void {
    this.#open = false;
  }

  /** From now on they wait; those that wait already are given up. */
  clear(error: Error): void {
    this.close();
    for (const waiting of this.#waiting) {
      this.#take(waiting);
      waiting.reject(error);
    }
  }

  #add(event: string, args: unknown[], asked: boolean, ms?: number): Promise<never> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let waiting: Waiting | undefined;
    const answer = new Promise<never>((resolve, reject) => {
      const bytes = this.#wire.measure(event, args);
      if (this.#waiting.size >= MAX_WAITING || (this.#waiting.size > 0 && this.#bytes + bytes > MAX_WAITING_BYTES)) {
        throw new RealtimeError("outbox_full", `${event} is not sent: too many events wait already.`);
      }
      waiting = { event, args, asked, bytes, resolve, reject };
      if (ms !== undefined) {
        timer = setTimeout(() => {
          reject(new RealtimeError("timeout", `${event} was not acknowledged within ${ms} ms.`));
        }, ms);
      }
      this.#waiting.add(waiting);
      this.#bytes += bytes;
      this.#flush();
    });
    return answer.finally(() => {
      clearTimeout(timer);
      if (waiting) this.#take(waiting);
    });
  }

  #flush(): void {
    for (const waiting of this.#waiting) {
      if (!this.#open || this.#inFlight >= this.#wire.maxInFlight) return;
      this.#take(waiting);
      void this.#send(waiting);
    }
  }

  async #send({ event, args, asked, resolve, reject }: Waiting): Promise<void> {
    this.#inFlight++;
    try {
      this.#wire.measure(event, args); // once more: this connection may carry less
      resolve((await this.#wire.send(event, args, asked)) as never);
    } catch (error) {
      reject(error);
    }
    this.#inFlight--;
    this.#flush();
  }

  #take(waiting: Waiting): void {
    if (this.#waiting.delete(waiting)) this.#bytes -= waiting.bytes;
  }

  readonly #lost = (error: unknown): void => {
    this.#wire.lost(error as RealtimeError);
  };
}
