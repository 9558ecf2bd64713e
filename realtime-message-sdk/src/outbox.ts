import type { Socket } from "socket.io-client";

import { RealtimeError } from "./errors.js";

/** Custom events of one room, which wait while the room is not joined: sent earlier, they would be refused. */
export class Outbox {
  readonly #socket: Socket;
  #waiting: ((error?: Error) => void)[] = [];
  #open = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Sends an event now or when the room is joined. */
  send(event: string, args: unknown[]): void {
    this.#when((error) => {
      if (!error) this.#socket.emit(event, ...args);
    });
  }

  /** The same, for an acknowledgement that must come within `ms`, if given. */
  ask(event: string, args: unknown[], ms?: number): Promise<never> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let late = false;
    const answer = new Promise<never>((resolve, reject) => {
      if (ms !== undefined) {
        timer = setTimeout(() => {
          late = true;
          reject(new RealtimeError("timeout", `${event} was not acknowledged within ${ms} ms.`));
        }, ms);
      }
      this.#when((error) => {
        if (error) reject(error);
        else if (!late) {
          this.#socket.emitWithAck(event, ...args).then(resolve as (response: unknown) => void, () => {
            reject(new RealtimeError("disconnected", `${event} was not acknowledged.`));
          });
        }
      });
    });
    return answer.finally(() => {
      clearTimeout(timer);
    });
  }

  /** The room is joined: what waits is sent, in order. */
  open(): void {
    this.#open = true;
    for (const send of this.#waiting.splice(0)) send();
  }

  /** The room is not joined for now. */
  close(): void {
    this.#open = false;
  }

  /** What waits will not be sent. */
  clear(error: Error): void {
    this.close();
    for (const send of this.#waiting.splice(0)) send(error);
  }

  #when(send: (error?: Error) => void): void {
    if (this.#open) send();
    else this.#waiting.push(send);
  }
}
