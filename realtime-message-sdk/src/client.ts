import type { Socket } from "socket.io-client";

import { PresenceChannel } from "./channel.js";
import { Connection } from "./connection.js";
import { Emitter } from "./emitter.js";
import { Endpoint } from "./endpoint.js";
import { RealtimeError } from "./errors.js";
import { given, type PresenceSettings } from "./options.js";
import { Outbox } from "./outbox.js";
import type { DefaultState, JoinResponse } from "./protocol.js";
import type { ClientEvents, DefaultEvents, JoinParams, Logger, PresenceOptions, RealtimeClientOptions } from "./types.js";

const PRESENCE_DEFAULTS: PresenceSettings = {
  heartbeatIntervalMs: 10_000,
  heartbeatAckTimeoutMs: 8_000,
  maxMissedHeartbeats: 2,
  presenceEventName: "presence:event",
  graceMs: 15_000,
  pageGraceMs: 3_000,
  resumeKey: "",
};

const OWN_EVENTS: ReadonlySet<string> = new Set<keyof ClientEvents>(["connect", "disconnect", "connect_error", "error"]);

/**
 * One connection to a server, and the channels that share it. `E` are the
 * custom events of the connection itself; each channel may have its own.
 */
export class RealtimeClient<E extends object = DefaultEvents> extends Endpoint<ClientEvents, E> {
  readonly #presence: PresenceSettings;
  readonly #logger: Logger | undefined;
  readonly #connection: Connection;
  readonly #outbox: Outbox; // custom events of the connection itself
  readonly #lostCodes = new Set<string>(); // why events were not delivered, so far

  /**
   * Makes a client; nothing is sent before `connect`, or the first join. An
   * option that is undefined counts as left out; one that cannot work throws a
   * TypeError or a RangeError that names it.
   */
  constructor(options: RealtimeClientOptions) {
    const { baseUrl, authProvider, presence, logger, ...socketOptions } = given(options);
    if (typeof baseUrl !== "string") throw new TypeError(`baseUrl must be a string, not ${typeof baseUrl}.`);
    if (authProvider !== undefined && typeof authProvider !== "function") throw new TypeError("authProvider must be a function.");
    const emitter = new Emitter();
    super(emitter, () => this.#outbox);
    this.#presence = { ...PRESENCE_DEFAULTS, ...given(presence) };
    this.#logger = logger;
    this.#connection = new Connection(baseUrl, socketOptions, authProvider, {
      up: () => {
        this.#outbox.open();
      },
      down: () => {
        this.#outbox.close();
      },
      failed: (error, first, final) => {
        if (final) this.#outbox.clear(error);
        emitter.emit("error", error);
        this.#warn(error, first || final); // last: a logger may throw
      },
      heard: (event, args, sender) => {
        if (!OWN_EVENTS.has(event)) emitter.emit(event, ...args, sender);
      },
    });
    this.#outbox = new Outbox(this.#connection, (error) => {
      emitter.emit("error", error);
      this.#lost(error);
    });
    for (const name of ["connect", "disconnect", "connect_error"] as const) {
      this.getSocket().on(name, (...args: unknown[]) => {
        emitter.emit(name, ...args);
      });
    }
  }

  /** Connects, if that has not been done yet; a join does so by itself. Does not wait: see `on("connect")`, or join. */
  connect(): void {
    this.#connection.connect();
  }

  /** Leaves every room and closes the connection. `connect` opens it again; rooms are then to be joined again. */
  disconnect(): void {
    this.#connection.close();
    this.#outbox.clear(new RealtimeError("disconnected", "The client was disconnected."));
  }

  /** Whether there is a connection right now. */
  isConnected(): boolean {
    return this.getSocket().connected;
  }

  /**
   * The Socket.IO socket beneath, for what this class does not offer. Its
   * `disconnect()` is a clean leave of every room. The client reconnects by
   * itself, as its options say; Socket.IO's `reconnect` events do not come.
   */
  getSocket(): Socket {
    return this.#connection.socket;
  }

  /** Makes a channel, in no room yet. Options not given are those of the client. */
  createPresenceChannel<S extends object = DefaultState, CE extends object = E>(options?: PresenceOptions): PresenceChannel<S, CE> {
    return new PresenceChannel<S, CE>(this.#connection, { ...this.#presence, ...given(options) }, this.#lost);
  }

  /** Makes a channel and joins a room with it, connecting if need be. Rejects as `PresenceChannel.join` does. */
  async joinRoom<S extends object = DefaultState, CE extends object = E>(
    params: JoinParams<S>,
    options?: PresenceOptions,
  ): Promise<{ channel: PresenceChannel<S, CE>; response: JoinResponse<S> }> {
    const channel = this.createPresenceChannel<S, CE>(options);
    try {
      return { channel, response: await channel.join(params) };
    } catch (error) {
      channel.stop();
      throw error;
    }
  }

  /** An event was not delivered, and nobody waits for it. The first one for each code is on the console. */
  readonly #lost = (error: RealtimeError): void => {
    const first = !this.#lostCodes.has(error.code);
    this.#lostCodes.add(error.code);
    this.#warn(error, first);
  };

  #warn(error: RealtimeError, onConsole: boolean): void {
    if (this.#logger) this.#logger.warn?.(error.message, error);
    else if (onConsole) console.warn(`realtime-message: ${error.message}`);
  }
}
