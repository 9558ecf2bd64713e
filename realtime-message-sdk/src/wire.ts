import type { Connection } from "./connection.js";
import { RealtimeError, refusalError } from "./errors.js";
import type { Refusal } from "./protocol.js";

/** So many events of a room may be on their way without an answer: what has waited is not to arrive as one burst. */
const ROOM_IN_FLIGHT = 32;

/**
 * Carries custom events over a connection: to handlers of the application, or
 * to the members of a room, as requests that the server answers at once.
 */
export class Wire {
  /** How many may be on their way without an answer. */
  readonly maxInFlight: number;
  /** Is told of an event that was not delivered, or perhaps not, when nobody waits for its answer. */
  readonly lost: (error: RealtimeError) => void;
  readonly #connection: Connection;
  readonly #roomId: (() => string | undefined) | undefined;

  /** With `roomId`, a wire for events of that room. */
  constructor(connection: Connection, lost: (error: RealtimeError) => void, roomId?: () => string | undefined) {
    this.#connection = connection;
    this.#roomId = roomId;
    this.lost = lost;
    this.maxInFlight = roomId ? ROOM_IN_FLIGHT : Infinity; // a handler may answer late, or never
  }

  /** The size of the message that carries an event. Throws a RealtimeError if it cannot be sent on this connection. */
  measure(event: string, args: unknown[]): number {
    const { maxPayload } = this.#connection;
    let bytes: number;
    try {
      bytes = this.#connection.measure(this.#message(event, args));
    } catch (cause) {
      throw new RealtimeError("invalid_payload", `${event} cannot be sent: ${(cause as Error).message}`, { cause });
    }
    if (bytes > maxPayload) throw new RealtimeError("message_too_large", `${event} is not sent: ${bytes} bytes, of ${maxPayload} at most.`);
    return bytes;
  }

  /** Sends an event. Settles with its answer, or when it is clear that there is none; at once if nobody has `asked` for one and none is sure to come. */
  async send(event: string, args: unknown[], asked: boolean): Promise<unknown> {
    const { socket } = this.#connection;
    const message = this.#message(event, args);
    let answer: unknown;
    try {
      if (asked || this.#roomId) answer = await socket.emitWithAck(...message);
      else socket.emit(...message);
    } catch (cause) {
      throw new RealtimeError("disconnected", `${event} was not acknowledged: ${(cause as Error).message}.`, { cause });
    }
    if (this.#roomId && !(answer as { ok: boolean }).ok) throw refusalError(answer as Refusal);
    return answer;
  }

  /** Sends an event, unless the connection is behind with sending. Returns whether it did. */
  sendVolatile(event: string, args: unknown[]): boolean {
    if (this.#connection.behind) return false;
    this.#connection.socket.emit(...this.#message(event, args, true));
    return true;
  }

  #message(event: string, args: unknown[], volatile?: boolean): [string, ...unknown[]] {
    return this.#roomId ? ["presence:emit", { roomId: this.#roomId(), event, args, volatile }] : [event, ...args];
  }
}
