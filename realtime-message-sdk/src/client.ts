import { io, type Socket } from "socket.io-client";

import { PresenceChannel } from "./channel.js";
import { RealtimeError } from "./errors.js";
import type { Link, LinkHooks, Loss } from "./link.js";
import { watchPage } from "./page.js";
import type { DefaultState, JoinResponse } from "./protocol.js";
import { Retry } from "./retry.js";
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
} from "./types.js";

const PRESENCE_DEFAULTS: Required<PresenceOptions> = {
  heartbeatIntervalMs: 10_000,
  heartbeatAckTimeoutMs: 8_000,
  maxMissedHeartbeats: 2,
  presenceEventName: "presence:event",
  graceMs: 15_000,
  pageGraceMs: 3_000,
  resumeKey: "",
};

/**
 * One connection to a server, and the channels that share it. `E` are the
 * custom events of the connection itself; each channel may have its own.
 */
export class RealtimeClient<E extends object = DefaultEvents> {
  readonly #authProvider: RealtimeClientOptions["authProvider"];
  readonly #presence: Required<PresenceOptions>;
  readonly #socket: Socket;
  readonly #logger: Logger;
  readonly #link: Link;
  readonly #retry = new Retry();
  #unwatch: (() => void) | undefined; // set between connect and disconnect
  #cached = false; // the transport was closed for the back/forward cache

  /** Makes a client; nothing is sent before `connect`, or the first join. */
  constructor(options: RealtimeClientOptions) {
    const { baseUrl, authProvider, presence, logger, ...socketOptions } = options;
    this.#authProvider = authProvider;
    this.#presence = { ...PRESENCE_DEFAULTS, ...presence };
    this.#logger = logger ?? {};
    this.#socket = io(baseUrl, {
      ...socketOptions,
      autoConnect: false,
      forceNew: true,
      auth: (send) => void this.#authenticate(send),
    });
    this.#link = {
      socket: this.#socket,
      reconnects: this.#socket.io.reconnection(),
      rooms: new Set(),
      hooks: new Set(),
      open: () => {
        this.connect();
      },
    };
    this.#listen();
  }

  /** Connects, if that has not been done yet; a join does so by itself. Does not wait: see `on("connect")`, or join. */
  connect(): void {
    this.#unwatch ??= watchPage({
      pagehide: ({ persisted }) => {
        this.#hide(persisted);
      },
      pageshow: ({ persisted }) => {
        if (persisted) this.#show();
      },
      visibilitychange: () => {
        if (!document.hidden) this.#each("wake");
      },
    });
    this.#socket.connect();
  }

  /** Leaves every room and closes the connection. `connect` opens it again; rooms are then to be joined again. */
  disconnect(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#cached = false;
    this.#retry.reset();
    this.#socket.disconnect();
    this.#each("down", "leave");
  }

  /** Whether there is a connection right now. */
  isConnected(): boolean {
    return this.#socket.connected;
  }

  /** The Socket.IO socket beneath, for what this class does not offer. Its `disconnect()` is a clean leave of every room. */
  getSocket(): Socket {
    return this.#socket;
  }

  /** Listens to a custom event, or to the connection. Returns what ends that. */
  on<K extends keyof ClientEvents | EventNames<E>>(event: K, listener: ClientListener<E, K>): () => void {
    this.#socket.on(event as never, listener as never);
    return () => {
      this.off(event, listener);
    };
  }

  /** Ends what `on` began. */
  off<K extends keyof ClientEvents | EventNames<E>>(event: K, listener: ClientListener<E, K>): void {
    this.#socket.off(event as never, listener as never);
  }

  /** Sends a custom event, once connected. A function given last is called with the acknowledgement. For events of a room see `PresenceChannel.emit`. */
  emit<K extends EventNames<E>>(event: K, ...args: EmitArgs<E, K>): void {
    this.#socket.emit(event, ...(args as unknown[]));
  }

  /** Sends a custom event and resolves with its acknowledgement; rejects when the connection is lost before. */
  emitWithAck<K extends EventNames<E>>(event: K, ...args: EventArgs<E, K>): Promise<EventAck<E, K>> {
    return this.#socket.emitWithAck(event, ...(args as unknown[])) as Promise<EventAck<E, K>>;
  }

  /** Emits whose acknowledgement must come within `ms`, waiting for the connection included. */
  timeout(ms: number): TimedEmitter<E> {
    return timed((event, args) => this.#socket.timeout(ms).emitWithAck(event, ...args) as Promise<never>);
  }

  /** Makes a channel, in no room yet. Options not given are those of the client. */
  createPresenceChannel<S extends object = DefaultState, CE extends object = E>(options?: PresenceOptions): PresenceChannel<S, CE> {
    return new PresenceChannel<S, CE>(this.#link, { ...this.#presence, ...options });
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

  #listen(): void {
    const socket = this.#socket;
    socket.on("connect", () => {
      this.#retry.reset();
      this.#each("up");
    });
    socket.on("disconnect", (reason) => {
      // A request caught between the loss and its notice would go out before the next join.
      socket.sendBuffer = socket.sendBuffer.filter((packet) => !isPresenceRequest(packet));
      this.#each("down", lossOf(reason));
    });
    socket.on("connect_error", (error) => {
      this.#logger.warn?.("cannot connect", error);
      // Socket.IO itself tries again what failed, but not what was refused.
      if (!socket.active || !this.#link.reconnects) this.#refused(error);
    });
    socket.io.on("reconnect_attempt", (attempt) => {
      this.#each("attempt", attempt);
    });
    socket.io.on("reconnect_failed", () => {
      this.#refused(new Error("The server is unreachable."));
    });
    socket.onAny((event: string, ...args: unknown[]) => {
      this.#each("heard", event, args);
    });
  }

  #refused(cause: Error): void {
    const { active, io: manager } = this.#socket;
    const again = !active && this.#link.reconnects && this.#retry.attempts < manager.reconnectionAttempts();
    this.#each("refused", new RealtimeError(active ? "disconnected" : "refused", cause.message, { cause }), !again);
    if (again) this.#retry.later(() => this.#socket.connect(), 0, manager.reconnectionDelayMax());
  }

  async #authenticate(send: (auth: object) => void): Promise<void> {
    const { engine } = this.#socket.io;
    try {
      // Not at once: Socket.IO does not notice a transport that closes while it tells of its opening.
      send((await Promise.resolve().then(this.#authProvider)));
    } catch (cause) {
      this.#logger.warn?.("authProvider failed.", cause);
      this.#each("refused", new RealtimeError("auth_failed", "authProvider failed.", { cause }), false);
      engine.close(); // and Socket.IO tries again
    }
  }

  #hide(cached: boolean): void {
    this.#each("hide");
    // An open connection keeps a page out of the back/forward cache.
    if (!cached || !this.#socket.connected) return;
    this.#cached = true;
    this.#socket.io.reconnection(false);
    this.#socket.io.engine.close();
  }

  #show(): void {
    this.#each("show");
    if (!this.#cached) return;
    this.#cached = false;
    this.#socket.io.reconnection(this.#link.reconnects);
    this.#socket.connect();
  }

  #each<K extends keyof LinkHooks>(hook: K, ...args: Parameters<LinkHooks[K]>): void {
    for (const hooks of [...this.#link.hooks]) (hooks[hook] as (...args: Parameters<LinkHooks[K]>) => void).apply(hooks, args);
  }
}

/** What Socket.IO's reason for a disconnect means for a membership. */
function lossOf(reason: Socket.DisconnectReason): Loss {
  switch (reason) {
    case "io server disconnect":
      return "kicked";
    case "io client disconnect":
      return "leave";
    default:
      return "connection";
  }
}

function isPresenceRequest(packet: unknown): boolean {
  return String((packet as { data: unknown[] }).data[0]).startsWith("presence:");
}
