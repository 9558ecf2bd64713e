import type { Connection } from "./connection.js";
import { Deferred } from "./deferred.js";
import { notSendable, RealtimeError, refusalError } from "./errors.js";
import type { Refusal } from "./protocol.js";

/** How many events may wait, and how many bytes of them; one that is larger may wait alone. */
const MAX_WAITING = 1000;
const MAX_WAITING_BYTES = 1 << 20;

/** So many events of a room may be on their way without an answer: what has waited is not to arrive as one burst. */
const ROOM_IN_FLIGHT = 32;

type Message = [event: string, ...args: unknown[]];

/** An event that waits for its turn. */
class Waiting extends Deferred<unknown> {
  constructor(
    readonly event: string,
    readonly message: Message,
    readonly asked: boolean,
    readonly bytes: number,
  ) {
    super();
  }
}

/**
 * Custom events on their way: to handlers of the application, or to the
 * members of a room, as requests that the server answers at once. While the
 * outbox is open they are sent in order, those of a room a few at a time;
 * until then they wait, up to a bound. Whoever sent one that is not delivered is told.
 */
export class Outbox {
  readonly #connection: Connection;
  readonly #roomId: (() => string | undefined) | undefined;
  readonly #lost: (error: RealtimeError) => void;
  readonly #waiting = new Set<Waiting>();
  #bytes = 0; // of those that wait
  #inFlight = 0;
  #open = false;

  /** `lost` is told of an event that was not delivered, or perhaps not, when nobody waits for its answer. With `roomId`, for events of that room. */
  constructor(connection: Connection, lost: (error: RealtimeError) => void, roomId?: () => string | undefined) {
    this.#connection = connection;
    this.#lost = lost;
    this.#roomId = roomId;
  }

  /** Sends an event when its turn comes. A function given last is called with the answer. */
  emit(event: string, args: unknown[]): void {
    const last = args.at(-1);
    if (typeof last === "function") this.ask(event, args.slice(0, -1)).then(last as () => void, this.#lost);
    else this.#add(event, args, false).catch(this.#lost);
  }

  /** Sends an event when its turn comes, for an answer that must come within `ms`, if given. */
  ask(event: string, args: unknown[], ms?: number): Promise<never> {
    return this.#add(event, args, true, ms);
  }

  /** Sends an event if it can be sent now, and the connection is not behind with sending. Returns whether it was. */
  emitVolatile(event: string, args: unknown[]): boolean {
    if (!this.#open || this.#waiting.size > 0) return false;
    const message = this.#message(event, args, true);
    try {
      this.#measure(event, message);
    } catch (error) {
      this.#lost(error as RealtimeError);
      return false;
    }
    if (this.#connection.behind) return false;
    this.#connection.socket.emit(...message);
    return true;
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

  async #add(event: string, args: unknown[], asked: boolean, ms?: number): Promise<never> {
    const message = this.#message(event, args);
    const bytes = this.#measure(event, message);
    if (this.#waiting.size >= MAX_WAITING || (this.#waiting.size > 0 && this.#bytes + bytes > MAX_WAITING_BYTES)) {
      throw new RealtimeError("outbox_full", `${event} is not sent: too many events wait already.`);
    }
    const waiting = new Waiting(event, message, asked, bytes);
    this.#waiting.add(waiting);
    this.#bytes += bytes;
    this.#flush();
    const timer = ms === undefined ? undefined : setTimeout(() => {
      this.#take(waiting);
      waiting.reject(new RealtimeError("timeout", `${event} was not acknowledged within ${ms} ms.`));
    }, ms);
    try {
      return (await waiting.promise) as never; // an application declares what it is
    } finally {
      clearTimeout(timer);
    }
  }

  #flush(): void {
    for (const waiting of this.#waiting) {
      if (!this.#open || (this.#roomId && this.#inFlight >= ROOM_IN_FLIGHT)) return;
      this.#take(waiting);
      void this.#send(waiting);
    }
  }

  /** Sends an event and settles it: with its answer, or at once if nobody has asked for one and none is sure to come. */
  async #send(waiting: Waiting): Promise<void> {
    const { event, message, asked } = waiting;
    this.#inFlight++;
    try {
      this.#measure(event, message); // once more: this connection may carry less
      if (asked || this.#roomId) {
        waiting.resolve(await this.#request(event, message));
      } else {
        this.#connection.socket.emit(...message);
        waiting.resolve(undefined);
      }
    } catch (error) {
      waiting.reject(error);
    }
    this.#inFlight--;
    this.#flush();
  }

  async #request(event: string, message: Message): Promise<unknown> {
    const answer: unknown = await this.#connection.socket.emitWithAck(...message).catch((cause: unknown) => {
      throw new RealtimeError("disconnected", `${event} was not acknowledged: ${(cause as Error).message}.`, { cause });
    });
    if (this.#roomId && !(answer as { ok: boolean }).ok) throw refusalError(answer as Refusal);
    return answer;
  }

  /** The size of a message. Throws a RealtimeError if it cannot be sent on this connection. */
  #measure(event: string, message: Message): number {
    const { maxPayload } = this.#connection;
    let bytes: number;
    try {
      bytes = this.#connection.measure(message);
    } catch (cause) {
      throw notSendable(event, cause);
    }
    if (bytes > maxPayload) throw new RealtimeError("message_too_large", `${event} is not sent: ${bytes} bytes, of ${maxPayload} at most.`);
    return bytes;
  }

  #message(event: string, args: unknown[], volatile?: boolean): Message {
    return this.#roomId ? ["presence:emit", { roomId: this.#roomId(), event, args, volatile }] : [event, ...args];
  }

  #take(waiting: Waiting): void {
    if (this.#waiting.delete(waiting)) this.#bytes -= waiting.bytes;
  }
}
