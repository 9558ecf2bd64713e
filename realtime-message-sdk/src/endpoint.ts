import type { Emitter } from "./emitter.js";
import { given } from "./options.js";
import type { Outbox } from "./outbox.js";
import type { EmitArgs, EventAck, EventArgs, EventNames, Listener, TimedEmitter, VolatileEmitter } from "./types.js";

/**
 * What a client and a channel have in common: listeners, to their own events
 * and to custom ones, and custom events to send. Those of a client go to
 * handlers of the application, those of a channel to the other members of its room.
 */
export abstract class Endpoint<Own extends object, E extends object> {
  /** Vue leaves this object as it is, as if by `markRaw`: its own reactivity is of no use here. @internal */
  readonly __v_skip = true;
  readonly #emitter: Emitter;
  readonly #outbox: () => Outbox;

  /** `outbox` throws where nothing can be sent. @internal */
  constructor(emitter: Emitter, outbox: () => Outbox) {
    this.#emitter = emitter;
    this.#outbox = outbox;
  }

  /**
   * Listens to one of its own events, or to a custom event, whose sender is the last
   * argument: a channel hears those of its room, a client all. Returns what ends that.
   */
  on<K extends keyof Own | EventNames<E>>(event: K, listener: Listener<Own, E, K>): () => void {
    return this.#emitter.on(event as string, listener as (...args: never[]) => void);
  }

  /** Ends what `on` began. */
  off<K extends keyof Own | EventNames<E>>(event: K, listener: Listener<Own, E, K>): void {
    this.#emitter.off(event as string, listener as (...args: never[]) => void);
  }

  /**
   * Sends a custom event; while the client is not connected, or the channel not
   * joined, it waits. A function given last is called with the acknowledgement.
   * An event that is not delivered is told by `error`: the server refused it, it is
   * too large, the connection was lost, or too many wait already (`outbox_full`).
   */
  emit<K extends EventNames<E>>(event: K, ...args: EmitArgs<E, K>): void {
    this.#outbox().emit(event, args as unknown[]);
  }

  /** Sends a custom event and resolves with its acknowledgement; rejects when it is not delivered, or the connection is lost before that is known. */
  async emitWithAck<K extends EventNames<E>>(event: K, ...args: EventArgs<E, K>): Promise<EventAck<E, K>> {
    return this.#outbox().ask(event, args);
  }

  /** Emits whose acknowledgement must come within `ms`, waiting for the connection included. */
  timeout(ms: number): TimedEmitter<E> {
    given({ timeout: ms });
    const ask = async (event: string, args: unknown[]) => this.#outbox().ask(event, args, ms);
    return {
      emit: (event, ...args) => {
        const list: unknown[] = [...args];
        const done = list.pop() as (error: Error | null, response?: unknown) => void;
        ask(event, list).then((response) => {
          done(null, response);
        }, done);
      },
      emitWithAck: (event, ...args) => ask(event, args),
    };
  }

  /** Emits that are dropped when they cannot be sent now, such as the position of a cursor: nobody is told. */
  get volatile(): VolatileEmitter<E> {
    return { emit: (event, ...args) => this.#outbox().emitVolatile(event, args) };
  }
}
