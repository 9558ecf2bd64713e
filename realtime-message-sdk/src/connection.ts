import { io, type Socket } from "socket.io-client";

import { RealtimeError, refusedConnection } from "./errors.js";
import type { ChannelHooks, Loss } from "./hooks.js";
import { isObject, messageBytes } from "./json.js";
import { watch, type WindowListeners } from "./page.js";
import type { Refusal, Sender } from "./protocol.js";
import { Retry } from "./retry.js";
import { transportsHere } from "./transports.js";
import type { Auth, SocketIOOptions } from "./types.js";

/** A volatile event is dropped while so much waits to be sent. */
const BEHIND_PACKETS = 16;
const BEHIND_BYTES = 64 * 1024;

/** What a connection tells its client, besides what it tells the channels. */
export interface ConnectionHooks {
  /** Connected, and every channel knows. */
  up(): void;
  /** No longer connected. */
  down(): void;
  /** An attempt failed. `first`: of its row; `final`: there is no other. */
  failed(error: RealtimeError, first: boolean, final: boolean): void;
  /** An event arrived, and every channel knows. */
  heard(event: string, args: unknown[], sender: Sender | null): void;
}

/**
 * Where a connection stands:
 * - `closed`: there is none, until somebody connects;
 * - `suspended`: the same, as its page is in the back/forward cache;
 * - `waiting`: the next attempt follows after a wait;
 * - `connecting`: one is under way;
 * - `connected`: the server accepted.
 */
type Stage = "closed" | "suspended" | "waiting" | "connecting" | "connected";

/**
 * A Socket.IO connection that is made again when it is lost, and the channels
 * that share it. Socket.IO makes each attempt; whether and when another one
 * follows is decided here, so that every attempt that comes to nothing counts,
 * whatever it failed of: it did not open, was refused, or was lost before every
 * join on it was answered.
 */
export class Connection {
  readonly socket: Socket;
  /** Who is told: the channels that are in a room, or want to be. */
  readonly channels = new Set<ChannelHooks>();
  /** Who has sent a join on this connection and has no answer yet. */
  readonly unanswered = new Set<object>();
  /** Custom events of this connection have their sender as last argument: a join was answered so. */
  senders = false;
  /** The server was told that this connection can ask for what it has missed. */
  heals = false;
  /** When it was last asked something: one heartbeat speaks for all channels. Unix time in ms. */
  askedMs = 0;
  /** The largest message that the server takes, in bytes; Infinity before the first handshake. */
  maxPayload = Infinity;

  readonly #url: string;
  readonly #authProvider: (() => Auth | Promise<Auth>) | undefined;
  readonly #hooks: ConnectionHooks;
  readonly #retry = new Retry();
  #stage: Stage = "closed";
  #refused = false; // the attempt before was refused by the server
  #failing = false; // the attempt before failed
  #unwatch: (() => void) | undefined; // set from `connect` until closed

  constructor(url: string, options: SocketIOOptions, authProvider: (() => Auth | Promise<Auth>) | undefined, hooks: ConnectionHooks) {
    this.#url = url;
    this.#authProvider = authProvider;
    this.#hooks = hooks;
    this.socket = io(url, {
      ...(options as object),
      ...transportsHere(options.transports),
      autoConnect: false,
      forceNew: true,
      retries: 0,
      ackTimeout: undefined as never,
      auth: (send) => void this.#authenticate(send),
    });
    this.socket.on("connect", () => {
      this.#refused = this.senders = this.heals = false;
      this.#become("connected");
      this.#tell("up");
      hooks.up();
    });
    this.socket.on("disconnect", (reason, details) => {
      this.#ended(reason, details);
    });
    this.socket.on("connect_error", (error) => {
      this.#notConnected(error);
    });
    this.socket.onAny((event: string, ...args: unknown[]) => {
      const sender = this.senders && !isPresence(event) ? takeSender(args) : null;
      this.#tell("heard", event, args, sender);
      hooks.heard(event, args, sender);
    });
  }

  /** Whether a lost connection is made again. */
  get reconnects(): boolean {
    return this.socket.io.reconnection();
  }

  /** Begins to connect, if it is not connecting or connected; a wait ends. */
  connect(): void {
    const { socket } = this;
    if (socket.active && (this.#stage === "connecting" || this.#stage === "connected")) return;
    this.#unwatch ??= watch(this.#listeners);
    this.#become("connecting");
    socket.connect();
    socket.io.engine.once("handshake", ({ maxPayload }) => {
      this.maxPayload = maxPayload || Infinity;
    });
  }

  /** The same, but a wait goes on. */
  open(): void {
    if (this.#stage !== "waiting") this.connect();
  }

  /** Closes the connection, as a leave of every room, and forgets about earlier attempts. */
  close(): void {
    this.#reset();
    this.socket.disconnect();
    this.#tell("down", "leave"); // Socket.IO tells only of a connection that was made
  }

  /** The size of a message. Throws if it cannot be sent as JSON. */
  measure(message: readonly unknown[]): number {
    const { engine, opts } = this.socket.io;
    const current = engine as Socket["io"]["engine"] | undefined; // there is none before the first attempt
    return messageBytes(message, opts.forceBase64 === true || current?.transport.name === "polling");
  }

  /** The refusal of a request that is larger than the server takes; undefined if it can be sent. */
  tooLarge(event: string, payload: object): Refusal | undefined {
    const bytes = this.measure([event, payload]);
    if (bytes <= this.maxPayload) return undefined;
    const error = `This state is not sent: ${bytes} bytes, of ${this.maxPayload} at most.`;
    return { ok: false, code: "state_too_large", error };
  }

  /** Whether what is sent now waits behind a backlog. */
  get behind(): boolean {
    const { engine } = this.socket.io;
    const { ws } = engine.transport as { ws?: { bufferedAmount?: number } };
    return engine.writeBuffer.length >= BEHIND_PACKETS || (ws?.bufferedAmount ?? 0) > BEHIND_BYTES;
  }

  readonly #listeners: WindowListeners = {
    pagehide: ({ persisted }) => {
      this.#tell("hide");
      // An open connection keeps a page out of the back/forward cache. To close the transport is no leave.
      if (!persisted || !this.socket.connected) return;
      this.#become("suspended");
      this.socket.io.engine.close();
    },
    pageshow: ({ persisted }) => {
      if (!persisted) return;
      this.#tell("show");
      if (this.#stage === "suspended") this.connect();
    },
    visibilitychange: () => {
      // One heartbeat tells whether the connection lives.
      if (!document.hidden) [...this.channels].some((channel) => channel.wake());
    },
    // The network is back: a wait ends, and an attempt that began without it is made again.
    online: () => {
      if (this.#stage === "waiting") {
        this.#next();
      } else if (this.#stage === "connecting" && this.socket.active) {
        this.socket.disconnect();
        this.#become("closed");
        this.connect();
      }
    },
  };

  async #authenticate(send: (auth: object) => void): Promise<void> {
    const { engine } = this.socket.io;
    let auth: unknown;
    let failure: RealtimeError | undefined;
    try {
      // Not at once: Socket.IO does not notice a transport that closes while it tells of its opening.
      auth = await Promise.resolve().then(this.#authProvider);
    } catch (cause) {
      failure = new RealtimeError("auth_failed", `authProvider failed: ${String(cause)}`, { cause });
    }
    // Meanwhile another attempt may have begun, which asks for itself.
    if (engine !== this.socket.io.engine || this.#stage !== "connecting") return;
    if (failure) {
      this.#failed(failure, false);
      return;
    }
    try {
      if (auth !== undefined && !isObject(auth)) throw new TypeError("this is none");
      send(auth as Auth);
    } catch (cause) {
      const message = `authProvider must return an object that can be sent, such as { token }: ${(cause as Error).message}.`;
      this.#failed(new RealtimeError("auth_failed", message, { cause }), true);
    }
  }

  /** The transport did not open, or the server refused the connection. */
  #notConnected(cause: Error & { data?: unknown }): void {
    if (this.socket.active) {
      const reason = typeof cause === "string" ? cause : cause.message; // Engine.IO tells one of its errors as a string
      const what = reason === "server error" ? "is no Socket.IO server" : `cannot be reached (${reason})`;
      const page = globalThis.location as Location | undefined;
      const origin = page ? `, and that the server allows pages of ${page.origin} (CORS)` : "";
      const message = `${this.#url || "The page's own server"} ${what}: check address, port and path${origin}.`;
      this.#failed(new RealtimeError("disconnected", message, { cause }), false);
      return;
    }
    const { error, hopeless, transient } = refusedConnection(cause);
    const final = hopeless || (!transient && this.#refused);
    this.#refused = !transient;
    this.#failed(error, final);
  }

  /** There was a transport, and it is gone. */
  #ended(reason: Socket.DisconnectReason, cause: unknown): void {
    const { socket } = this;
    // A request caught between the loss and its notice would go out before the next join.
    socket.sendBuffer = socket.sendBuffer.filter(({ data }) => !isPresence((data as [string])[0]));
    const loss = LOSSES.get(reason) ?? "connection";
    if (loss !== "connection") {
      this.#reset();
    } else if (this.#stage === "suspended") {
      socket.disconnect();
    } else if (this.#stage === "connected" && this.unanswered.size === 0) {
      this.#retry.reset();
      this.#failing = false;
      this.#again();
    } else {
      this.#failed(new RealtimeError("disconnected", `The connection was lost before the server answered (${reason}).`, { cause }), false, loss);
      return;
    }
    this.#down(loss);
  }

  #down(loss: Loss): void {
    this.#hooks.down();
    this.#tell("down", loss);
  }

  /** What happens next is settled before anybody is told, so that whoever is told may change it. */
  #failed(error: RealtimeError, final: boolean, loss?: Loss): void {
    const first = !this.#failing;
    this.#failing = true;
    const again = !final && this.#again(error.retryAfterMs);
    if (!again) {
      this.#reset();
      this.socket.disconnect();
    }
    if (loss) this.#down(loss);
    this.#tell("refused", error, !again);
    this.#hooks.failed(error, first, !again);
  }

  /** Waits for the next attempt. Returns false if there is none. */
  #again(leastMs?: number): boolean {
    const { socket } = this;
    const manager = socket.io;
    socket.disconnect(); // or Socket.IO would make an attempt by itself
    if (!manager.reconnection() || this.#retry.attempts >= manager.reconnectionAttempts()) {
      this.#become("closed");
      return false;
    }
    this.#become("waiting");
    this.#retry.later(this.#next, leastMs, {
      baseMs: manager.reconnectionDelay(),
      maxMs: manager.reconnectionDelayMax(),
      spread: manager.randomizationFactor(),
    });
    return true;
  }

  readonly #next = (): void => {
    if (!this.reconnects) return; // switched off meanwhile
    this.#tell("attempt", this.#retry.attempts);
    if (this.#stage === "waiting") this.connect();
  };

  /** As if nobody had connected before. */
  #reset(): void {
    this.#retry.reset();
    this.#refused = this.#failing = false;
    this.#become("closed");
    this.#unwatch?.();
    this.#unwatch = undefined;
  }

  #become(stage: Stage): void {
    this.#stage = stage;
    if (stage !== "waiting") this.#retry.cancel();
  }

  #tell<K extends Exclude<keyof ChannelHooks, "roomId">>(hook: K, ...args: Parameters<ChannelHooks[K]>): void {
    for (const channel of [...this.channels]) (channel[hook] as (...args: Parameters<ChannelHooks[K]>) => void)(...args);
  }
}

/** What Socket.IO's reason for a disconnect means for a membership; any other is a lost connection. */
const LOSSES: ReadonlyMap<Socket.DisconnectReason, Loss> = new Map([
  ["io server disconnect", "kicked"],
  ["io client disconnect", "leave"],
]);

function isPresence(event: string): boolean {
  return event.startsWith("presence:");
}

/** Takes the sender out of the arguments of an event: the last one, but for a function that acknowledges the event. */
function takeSender(args: unknown[]): Sender | null {
  const at = typeof args.at(-1) === "function" ? -2 : -1;
  return args.splice(at, 1)[0] as Sender | null;
}
