import type { Socket } from "socket.io-client";

import { RealtimeError } from "./errors.js";

/** Called once with what came of an event. */
export type Settle = (error: Error | null, response?: unknown) => void;

/** Custom events of one room, which wait while the room is not joined: sent earlier, they would be refused. */
export class Outbox {
  readonly #socket: Socket;
  #waiting: { send(): void; fail(error: Error): void }[] = [];
  #open = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Sends an event now or when the room is joined. Its answer must come within `ms`, if given. */
  send(event: string, args: unknown[], settle?: Settle, ms?: number): void {
    let done = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const finish = (error: Error | null, response?: unknown) => {
      if (done) return;
      done = true;
      clearTimeout(timer);
      settle?.(error, response);
    };
    if (ms !== undefined) {
      timer = setTimeout(() => {
        finish(new RealtimeError("timeout", `No acknowledgement of ${event} within ${ms} ms.`));
      }, ms);
    }
    const send = () => {
      if (done) return;
      if (!settle) {
        this.#socket.emit(event, ...args);
        return;
      }
      this.#socket.emitWithAck(event, ...args).then(
        (response: unknown) => {
          finish(null, response);
        },
        (cause: unknown) => {
          finish(new RealtimeError("disconnected", `The connection was lost before ${event} was acknowledged.`, { cause }));
        },
      );
    };
    if (this.#open) send();
    else this.#waiting.push({ send, fail: finish });
  }

  /** The room is joined: what waits is sent, in order. */
  open(): void {
    this.#open = true;
    for (const { send } of this.#waiting.splice(0)) send();
  }

  /** The room is not joined for now. */
  close(): void {
    this.#open = false;
  }

  /** What waits will not be sent. */
  clear(error: Error): void {
    this.close();
    for (const { fail } of this.#waiting.splice(0)) fail(error);
  }
}
