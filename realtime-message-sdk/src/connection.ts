import { io, type Socket } from "socket.io-client";

import { RealtimeError, refusedConnection } from "./errors.js";
import type { Loss } from "./link.js";
import { watchNetwork } from "./page.js";
import type { Refusal } from "./protocol.js";
import { Retry } from "./retry.js";
import { messageBytes } from "./size.js";
import { transportsHere } from "./transports.js";
import type { Auth, SocketIOOptions } from "./types.js";

/** A volatile event is dropped while so much waits to be sent. */
const BEHIND_PACKETS = 16;
const BEHIND_BYTES = 64 * 1024;

/** What a connection tells its client. */
export interface ConnectionHooks {
  /** Connected. */
  up(): void;
  /** No longer connected. `connection`: it is tried again, unless `failed` says otherwise. */
  down(loss: Loss): void;
  /** The n-th attempt in a row begins, after the first. */
  attempt(attempt: number): void;
  /** An attempt failed. `first`: of its row; `final`: there is no other. */
  failed(error: RealtimeError, first: boolean, final: boolean): void;
}

/**
 * Where an attempt to connect stands:
 * - `closed`: there is none, until somebody connects;
 * - `waiting`: the next one follows after a wait;
 * - `opening`: the transport is opening;
 * - `authenticating`: `authProvider` is asked;
 * - `accepting`: the server decides;
 * - `connected`: the server accepted.
 */
type Stage = "closed" | "waiting" | "opening" | "authenticating" | "accepting" | "connected";

/**
 * A Socket.IO connection that is made again when it is lost. Socket.IO makes
 * each attempt; whether and when another one follows is decided here, so that
 * every attempt that comes to nothing counts, whatever it failed of: it did not
 * open, was refused, or was lost before every join on it was answered.
 */
export class Connection {
  readonly socket: Socket;
  /** Who has sent a join on this connection and has no answer yet. */
  readonly unanswered = new Set<object>();

  readonly #url: string;
  readonly #authProvider: (() => Auth | Promise<Auth>) | undefined;
  readonly #hooks: ConnectionHooks;
  readonly #retry = new Retry();
  #stage: Stage = "closed";
  #refused = false; // the attempt before was refused by the server
  #failures = 0; // in a row
  #maxPayload = Infinity;
  #engine: Socket["io"]["engine"] | undefined; // the last one made
  #unwatch: (() => void) | undefined; // set from `connect` until connected or closed

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
      this.#refused = false;
      this.#become("connected");
      hooks.up();
    });
    this.socket.on("disconnect", (reason, details) => {
      this.#ended(reason, details);
    });
    this.socket.on("connect_error", (error) => {
      this.#notConnected(error);
    });
  }

  /** Whether a lost connection is made again. */
  get reconnects(): boolean {
    return this.socket.io.reconnection();
  }

  /** Begins to connect, if it is not connecting or connected; a wait ends. */
  connect(): void {
    const { socket } = this;
    if (socket.active && this.#stage !== "waiting" && this.#stage !== "closed") return;
    this.#become("opening");
    socket.connect();
    const { engine } = socket.io;
    if (engine === this.#engine) return;
    this.#engine = engine;
    engine.once("handshake", ({ maxPayload }) => {
      this.#maxPayload = maxPayload || Infinity;
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
  }

  /** Closes the transport, which is no leave, until `connect`. */
  suspend(): void {
    this.#become("closed");
    this.socket.io.engine.close();
  }

  /** The largest message that the server takes, in bytes; Infinity before the first handshake. */
  get maxPayload(): number {
    return this.#maxPayload;
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
    if (bytes <= this.#maxPayload) return undefined;
    const error = `A state of ${bytes} bytes is not sent: the server takes ${this.#maxPayload} bytes at once.`;
    return { ok: false, code: "state_too_large", error };
  }

  /** Whether what is sent now waits behind a backlog. */
  get behind(): boolean {
    const { engine } = this.socket.io;
    const { ws } = engine.transport as { ws?: { bufferedAmount?: number } };
    return engine.writeBuffer.length >= BEHIND_PACKETS || (ws?.bufferedAmount ?? 0) > BEHIND_BYTES;
  }

  /** The network is back: a wait ends, and an attempt that began without it is made again. */
  readonly #online = (): void => {
    if (this.#stage === "waiting") {
      this.#next();
    } else {
      this.socket.disconnect();
      this.#become("closed");
      this.connect();
    }
  };

  async #authenticate(send: (auth: object) => void): Promise<void> {
    const { engine } = this.socket.io;
    this.#become("authenticating");
    let auth: unknown;
    let failure: RealtimeError | undefined;
    try {
      // Not at once: Socket.IO does not notice a transport that closes while it tells of its opening.
      auth = await Promise.resolve().then(this.#authProvider);
    } catch (cause) {
      failure = new RealtimeError("auth_failed", `authProvider failed: ${String(cause)}`, { cause });
    }
    // Meanwhile another attempt may have begun, which asks for itself.
    if (engine !== this.socket.io.engine || this.#stage !== "authenticating") return;
    if (failure) {
      this.#failed(failure, false);
    } else if (auth !== undefined && (typeof auth !== "object" || auth === null || Array.isArray(auth))) {
      this.#failed(new RealtimeError("auth_failed", `authProvider must return an object, such as { token }.`), true);
    } else {
      this.#become("accepting");
      try {
        send(auth as Auth);
      } catch (cause) {
        this.#failed(new RealtimeError("auth_failed", "What authProvider returned cannot be sent.", { cause }), true);
      }
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
    socket.sendBuffer = socket.sendBuffer.filter((packet) => !isPresenceRequest(packet));
    const loss = lossOf(reason);
    const stage = this.#stage;
    if (loss !== "connection") {
      this.#reset();
      this.#hooks.down(loss);
    } else if (stage === "closed") {
      socket.disconnect(); // suspended
      this.#hooks.down(loss);
    } else if (stage === "connected" && this.unanswered.size === 0) {
      this.#retry.reset();
      this.#failures = 0;
      this.#again();
      this.#hooks.down(loss);
    } else {
      this.#failed(new RealtimeError("disconnected", `The connection was lost before the ${stage === "connected" ? "join was answered" : "server accepted it"} (${reason}).`, { cause }), false, loss);
    }
  }

  /** What happens next is settled before anybody is told, so that whoever is told may change it. */
  #failed(error: RealtimeError, final: boolean, loss?: Loss): void {
    const first = this.#failures++ === 0;
    const again = !final && this.#again(error.retryAfterMs);
    if (!again) {
      this.#reset();
      this.socket.disconnect();
    }
    if (loss) this.#hooks.down(loss);
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
    this.#hooks.attempt(this.#retry.attempts);
    if (this.#stage === "waiting") this.connect();
  };

  /** As if nothing had failed before. */
  #reset(): void {
    this.#retry.reset();
    this.#refused = false;
    this.#failures = 0;
    this.#become("closed");
  }

  #become(stage: Stage): void {
    this.#stage = stage;
    if (stage !== "waiting") this.#retry.cancel();
    if (stage !== "closed" && stage !== "connected") {
      this.#unwatch ??= watchNetwork(this.#online);
    } else {
      this.#unwatch?.();
      this.#unwatch = undefined;
    }
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
