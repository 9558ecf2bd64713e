import type { Socket } from "socket.io-client";

import { PresenceChannel } from "./channel.js";
import { Connection } from "./connection.js";
import { Emitter } from "./emitter.js";
import { RealtimeError } from "./errors.js";
import type { Link, LinkHooks } from "./link.js";
import { given, type PresenceSettings } from "./options.js";
import { Outbox } from "./outbox.js";
import { watchPage } from "./page.js";
import type { DefaultState, JoinResponse, Sender } from "./protocol.js";
import { timed } from "./timed.js";
import type {
  ClientEvents,
  ClientListener,
  DefaultEvents,
  EmitArgs,
  EventAck,
  EventArgs,
  EventNames,
  JoinParams,
  Logger,
  PresenceOptions,
  RealtimeClientOptions,
  TimedEmitter,
  VolatileEmitter,
} from "./types.js";
import { Wire } from "./wire.js";

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
export class RealtimeClient<E extends object = DefaultEvents> {
  /** Vue leaves this object as it is. @internal */
  readonly __v_skip = true;
  readonly #presence: PresenceSettings;
  readonly #logger: Logger | undefined;
  readonly #connection: Connection;
  readonly #outbox: Outbox; // custom events of the connection itself
  readonly #emitter = new Emitter();
  readonly #lostCodes = new Set<string>(); // why events were not delivered, so far
  readonly #link: Link;
  #unwatch: (() => void) | undefined; // set between connect and disconnect
  #cached = false; // the transport was closed for the back/forward cache

  /**
   * Makes a client; nothing is sent before `connect`, or the first join. An
   * option that is undefined counts as left out; one that cannot work throws a
   * TypeError or a RangeError that names it.
   */
  constructor(options: RealtimeClientOptions) {
    const { baseUrl, authProvider, presence, logger, ...socketOptions } = given(options);
    if (typeof baseUrl !== "string") throw new TypeError(`baseUrl must be a string, not ${typeof baseUrl}.`);
    if (authProvider !== undefined && typeof authProvider !== "function") throw new TypeError("authProvider must be a function.");
    this.#presence = { ...PRESENCE_DEFAULTS, ...given(presence) };
    this.#logger = logger;
    const connection = new Connection(baseUrl, socketOptions, authProvider, {
      up: () => {
        this.#link.senders = false; // until a join is answered with it
        this.#each("up");
        this.#outbox.open();
      },
      down: (loss) => {
        this.#outbox.close();
        this.#each("down", loss);
      },
      attempt: (attempt) => {
        this.#each("attempt", attempt);
      },
      failed: (error, first, final) => {
        this.#failed(error, first, final);
      },
    });
    this.#connection = connection;
    this.#outbox = new Outbox(
      new Wire(connection, (error) => {
        this.#lost(error);
        this.#emitter.emit("error", error);
      }),
    );
    this.#link = {
      connection,
      lost: (error) => {
        this.#lost(error);
      },
      rooms: new Set(),
      hooks: new Set(),
      senders: false,
      askedMs: 0,
      open: () => {
        this.#watch();
        connection.open();
      },
    };
    const { socket } = connection;
    socket.onAny((event: string, ...args: unknown[]) => {
      const sender = this.#link.senders && !event.startsWith("presence:") ? takeSender(args) : null;
      this.#each("heard", event, args, sender);
      if (!OWN_EVENTS.has(event)) this.#emitter.emit(event, ...args, sender);
    });
    for (const name of ["connect", "disconnect", "connect_error"] as const) {
      socket.on(name, (...args: unknown[]) => {
        this.#emitter.emit(name, ...args);
      });
    }
  }

  /** Connects, if that has not been done yet; a join does so by itself. Does not wait: see `on("connect")`, or join. */
  connect(): void {
    this.#watch();
    this.#connection.connect();
  }

  /** Leaves every room and closes the connection. `connect` opens it again; rooms are then to be joined again. */
  disconnect(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#cached = false;
    this.#connection.close();
    this.#each("down", "leave");
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

  /** Listens to a custom event, whichever room it is for, with its sender as last argument; or to the connection. Returns what ends that. */
  on<K extends keyof ClientEvents | EventNames<E>>(event: K, listener: ClientListener<E, K>): () => void {
    return this.#emitter.on(event, listener as (...args: never[]) => void);
  }

  /** Ends what `on` began. */
  off<K extends keyof ClientEvents | EventNames<E>>(event: K, listener: ClientListener<E, K>): void {
    this.#emitter.off(event, listener as (...args: never[]) => void);
  }

  /**
   * Sends a custom event to a handler of the application, once connected. A
   * function given last is called with the acknowledgement. For events of a
   * room see `PresenceChannel.emit`. One that is not sent is told by `error`:
   * `outbox_full` when too many wait, `message_too_large`, `disconnected`.
   */
  emit<K extends EventNames<E>>(event: K, ...args: EmitArgs<E, K>): void {
    this.#outbox.emit(event, args as unknown[]);
  }

  /** Sends a custom event and resolves with its acknowledgement; rejects when it is not sent, or the connection is lost before. */
  emitWithAck<K extends EventNames<E>>(event: K, ...args: EventArgs<E, K>): Promise<EventAck<E, K>> {
    return this.#outbox.ask(event, args);
  }

  /** Emits whose acknowledgement must come within `ms`, waiting for the connection included. */
  timeout(ms: number): TimedEmitter<E> {
    return timed(ms, (event, args) => this.#outbox.ask(event, args, ms));
  }

  /** Emits that are dropped when they cannot be sent now. */
  get volatile(): VolatileEmitter<E> {
    return { emit: (event, ...args) => this.#outbox.emitVolatile(event, args) };
  }

  /** Makes a channel, in no room yet. Options not given are those of the client. */
  createPresenceChannel<S extends object = DefaultState, CE extends object = E>(options?: PresenceOptions): PresenceChannel<S, CE> {
    return new PresenceChannel<S, CE>(this.#link, { ...this.#presence, ...given(options) });
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

  #watch(): void {
    this.#unwatch ??= watchPage({
      pagehide: ({ persisted }) => {
        this.#hide(persisted);
      },
      pageshow: ({ persisted }) => {
        if (persisted) this.#show();
      },
      visibilitychange: () => {
        // One heartbeat tells whether the connection lives.
        if (!document.hidden) [...this.#link.hooks].some((hooks) => hooks.wake());
      },
    });
  }

  #hide(cached: boolean): void {
    this.#each("hide");
    // An open connection keeps a page out of the back/forward cache.
    if (!cached || !this.isConnected()) return;
    this.#cached = true;
    this.#connection.suspend();
  }

  #show(): void {
    this.#each("show");
    if (!this.#cached) return;
    this.#cached = false;
    this.#connection.connect();
  }

  /** An attempt to connect failed: `first` of a row, `final`: the last one. */
  #failed(error: RealtimeError, first: boolean, final: boolean): void {
    this.#warn(error, first || final);
    if (final) this.#outbox.clear(error);
    this.#each("refused", error, final);
    this.#emitter.emit("error", error);
  }

  /** An event was not delivered, and nobody waits for it. The first one for each code is on the console. */
  #lost(error: RealtimeError): void {
    this.#warn(error, !this.#lostCodes.has(error.code));
    this.#lostCodes.add(error.code);
  }

  #warn(error: RealtimeError, onConsole: boolean): void {
    if (this.#logger) this.#logger.warn?.(error.message, error);
    else if (onConsole) console.warn(`realtime-message: ${error.message}`);
  }

  #each<K extends keyof LinkHooks>(hook: K, ...args: Parameters<LinkHooks[K]>): void {
    for (const hooks of [...this.#link.hooks]) (hooks[hook] as (...args: Parameters<LinkHooks[K]>) => void).apply(hooks, args);
  }
}

/** Takes the sender out of the arguments of an event: the last one, but for a function that acknowledges the event. */
function takeSender(args: unknown[]): Sender | null {
  const at = typeof args.at(-1) === "function" ? -2 : -1;
  return args.splice(at, 1)[0] as Sender | null;
}
