// The public types besides what goes over the wire.

import type { ManagerOptions, Socket, SocketOptions } from "socket.io-client";

import type { RealtimeError } from "./errors.js";
import type { DefaultState, HeartbeatResponse, JoinResponse, LeaveReason, Member, MemberStatus, PresenceEvent, Sender } from "./protocol.js";

/**
 * Custom events when none are declared. Declare yours as an interface of
 * functions: parameters are the arguments, the return type what the receiver
 * acknowledges with.
 *
 * ```ts
 * interface ChatEvents {
 *   "chat:message": (message: { text: string }) => void;
 * }
 * ```
 */
export type DefaultEvents = Record<string, (...args: unknown[]) => unknown>;

/** The names of a map of custom events. */
export type EventNames<E extends object> = keyof E & string;

/** The arguments of a custom event. */
export type EventArgs<E extends object, K extends EventNames<E>> = E[K] extends (...args: infer A) => unknown ? A : never;

/**
 * What a listener of a custom event gets: the arguments, then who sent it. `null`: the server or its application,
 * or nobody knows, as the server is too old to say. Of events that are not declared the type says nothing.
 */
export type HeardArgs<E extends object, K extends EventNames<E>> = number extends EventArgs<E, K>["length"]
  ? EventArgs<E, K>
  : [...EventArgs<E, K>, sender: Sender | null];

/** What a custom event is acknowledged with. */
export type EventAck<E extends object, K extends EventNames<E>> = E[K] extends (...args: never[]) => infer R ? R : never;

/** The arguments of `emit`: those of the event, then perhaps a function for the acknowledgement. */
export type EmitArgs<E extends object, K extends EventNames<E>> =
  | EventArgs<E, K>
  | [...EventArgs<E, K>, (response: EventAck<E, K>) => void];

/** The same with a timeout: the function gets an error first, `null` if there is none. */
export type TimedEmitArgs<E extends object, K extends EventNames<E>> = [
  ...EventArgs<E, K>,
  (error: Error | null, response: EventAck<E, K>) => void,
];

/** What `timeout(ms)` returns: emits whose acknowledgement must come in time. */
export interface TimedEmitter<E extends object> {
  /** Sends an event; the function given last is called with the answer, or with an error when none came in time. */
  emit<K extends EventNames<E>>(event: K, ...args: TimedEmitArgs<E, K>): void;
  /** Sends an event and resolves with the answer; rejects when none came in time. */
  emitWithAck<K extends EventNames<E>>(event: K, ...args: EventArgs<E, K>): Promise<EventAck<E, K>>;
}

/** What `volatile` returns. */
export interface VolatileEmitter<E extends object> {
  /** Sends an event if it can be sent now; returns whether it was. Others may not get it all the same. */
  emit<K extends EventNames<E>>(event: K, ...args: EventArgs<E, K>): boolean;
}

/** Where messages about what happens go: every failed attempt to connect, and every event that was not delivered. */
export interface Logger {
  warn?(message: string, ...details: unknown[]): void;
}

/** How a channel behaves. An option that is undefined counts as left out; one out of its bounds throws a RangeError. */
export interface PresenceOptions {
  /** Time between heartbeats, in ms, from 100. Default 10 000. */
  readonly heartbeatIntervalMs?: number | undefined;
  /** How long an answer may take before the heartbeat counts as missed, in ms, from 100. Default 8000. */
  readonly heartbeatAckTimeoutMs?: number | undefined;
  /** So many missed heartbeats in a row and the connection is taken for dead and made again. From 1 to 1000, default 2. */
  readonly maxMissedHeartbeats?: number | undefined;
  /** The name of the server's broadcasts. Default `presence:event`. */
  readonly presenceEventName?: string | undefined;
  /** How long the membership outlives a lost connection, in ms; 0: not at all. The server may cap it. Default 15 000. */
  readonly graceMs?: number | undefined;
  /** How long it outlives its page, for a reload to resume it, in ms. Default 3000. */
  readonly pageGraceMs?: number | undefined;
  /** Tells memberships of one user in one room and one tab apart, each of which is to survive a reload. Default empty. */
  readonly resumeKey?: string | undefined;
}

/** What a handshake carries for the server to know who connects. */
export type Auth = Record<string, unknown>;

/** A transport's name, or a transport of `engine.io-client`. */
export type Transports = NonNullable<Socket["io"]["opts"]["transports"]>;

/** Options of Socket.IO that the client sets by itself. */
type OwnOptions = "auth" | "autoConnect" | "forceNew" | "multiplex" | "retries" | "ackTimeout";

type AnyOptions = ManagerOptions & SocketOptions;

/**
 * The options of `socket.io-client`, which pass through, such as
 * `withCredentials` and `extraHeaders`. Not among them, since the client sets
 * them by itself: `auth` (see `authProvider`), `autoConnect`, `forceNew`,
 * `multiplex`, `retries` and `ackTimeout`.
 */
export type SocketIOOptions = { readonly [K in Exclude<keyof AnyOptions, OwnOptions>]?: AnyOptions[K] | undefined };

/** What a client is made of: options of its own, and those of Socket.IO. An option that is undefined counts as left out. */
export interface RealtimeClientOptions extends SocketIOOptions {
  /** Where the server is, such as `https://presence.example.com`; a path names a Socket.IO namespace. */
  readonly baseUrl: string;
  /** Called for every connection and reconnection; what it returns, an object, is the handshake's auth payload. */
  readonly authProvider?: (() => Auth | Promise<Auth>) | undefined;
  /** Options for all channels of this client. */
  readonly presence?: PresenceOptions | undefined;
  /**
   * Is told of every failed attempt to connect, and of every event that was
   * not delivered while nobody waits for its answer. Without one, `console.warn` is told
   * of the first attempt in a row, of the last when no other follows, and of
   * the first event for each code.
   */
  readonly logger?: Logger | undefined;
  /** Whether to reconnect when the connection is lost or refused. Default true. */
  readonly reconnection?: boolean | undefined;
  /** How often to try in a row, from 1. Default: without end. */
  readonly reconnectionAttempts?: number | undefined;
  /** The first wait between two attempts, in ms. Default 1000. */
  readonly reconnectionDelay?: number | undefined;
  /** The longest wait between two attempts, in ms; waits grow up to it, and are spread at random. Default 5000. */
  readonly reconnectionDelayMax?: number | undefined;
  /** Default `["polling", "websocket"]`. With several servers behind a balancer without sticky sessions: `["websocket"]`. */
  readonly transports?: Transports | undefined;
  /** The path of the Socket.IO server. Default `/socket.io/`. */
  readonly path?: string | undefined;
}

/**
 * A patch of a state: the keys that it may have, with their values. A value that is `undefined` cannot
 * be sent, and is an error of type; what removes a key is `deleteState`.
 */
export type Patch<S extends object, P extends object> = {
  [K in keyof P]: K extends keyof S ? Sendable<P, K> : never;
};

type Sendable<P, K extends keyof P> = object extends Pick<P, K>
  ? P[K] // may be left out, as in a Partial<S>
  : unknown extends P[K]
    ? P[K]
    : undefined extends P[K]
      ? never
      : P[K];

/** What to join as. */
export interface JoinParams<S extends object = DefaultState> {
  readonly roomId: string;
  readonly userId: string;
  /** The state of a new member; left out, `{}`. A membership that is resumed after a reload keeps the one it has. */
  readonly state?: S | undefined;
}

/**
 * Where a channel stands:
 * - `idle`: in no room;
 * - `joining`: joining for the first time, for as long as that takes;
 * - `joined`: a member, the members are current;
 * - `reconnecting`: was a member and will be again when the connection is back; the members are the last known;
 * - `stopped`: for good.
 */
export type ChannelStatus = "idle" | "joining" | "joined" | "reconnecting" | "stopped";

/** A user in a room with all its connections. */
export interface User<S extends object = DefaultState> {
  readonly userId: string;
  /** The user's members, such as tabs and devices, in the order in which they joined. Never empty. */
  readonly members: readonly Member<S>[];
  /** `online` if any of them is. */
  readonly status: MemberStatus;
}

/** A room at one moment. Never changed: the same object until something is different. */
export interface RoomSnapshot<S extends object = DefaultState> {
  readonly status: ChannelStatus;
  /** By connId, in the order of joining. */
  readonly members: ReadonlyMap<string, Member<S>>;
  /** By userId, in the order of joining. */
  readonly users: ReadonlyMap<string, User<S>>;
  /** This channel's own member, own patches that are on their way included. */
  readonly self: Member<S> | undefined;
  /**
   * Why the channel is no member, or not yet: the last thing that went wrong. It may be trying again: see `status`.
   * Undefined while it is a member, and after it left by itself.
   */
  readonly error: RealtimeError | undefined;
}

/** What is different since the last `membersChanged`. */
export interface MembersChange<S extends object = DefaultState> {
  readonly joined: readonly Member<S>[];
  readonly updated: readonly Member<S>[];
  readonly left: readonly Member<S>[];
}

/**
 * Why a channel is no longer a member:
 * a leave reason when the server removed it (or `leave`, when this side left),
 * `not_joined` or `stale` when an answer said so, `refused` when it may not join again,
 * `connection` when the connection was lost.
 */
export type DisconnectReason = LeaveReason | "not_joined" | "stale" | "refused" | "connection";

/** The events of a channel itself; all other names are custom events. */
export interface ChannelEvents<S extends object = DefaultState> {
  /** It became a member: after its first join, and after every one that followed a loss. */
  connected: (response: JoinResponse<S>) => void;
  /** It is no member for now, or (`willReconnect` false) until it joins again. */
  disconnected: (info: { readonly reason: DisconnectReason; readonly willReconnect: boolean }) => void;
  /** It tries to become a member again; `attempt` counts from 1. */
  reconnecting: (info: { readonly attempt: number }) => void;
  /** The member list was received as a whole: after a join, or after a gap. */
  snapshot: (members: ReadonlyMap<string, Member<S>>) => void;
  /** One change, after it was applied to the member list. */
  presenceEvent: (event: PresenceEvent<S>) => void;
  /** A heartbeat or a patch was answered. */
  heartbeatAck: (response: HeartbeatResponse & { readonly latencyMs: number }) => void;
  /** The member list is different. */
  membersChanged: (change: MembersChange<S>) => void;
  /** A request was refused, an attempt to connect failed, or an event was not delivered. What can be repeated is repeated by itself. */
  error: (error: RealtimeError) => void;
}

/** The listener that fits an event: one of its own, or a custom one. */
export type Listener<Own extends object, E extends object, K> = K extends keyof Own
  ? Own[K]
  : K extends EventNames<E>
    ? (...args: HeardArgs<E, K>) => void
    : never;

/** The listener that fits an event of a channel. */
export type ChannelListener<S extends object, E extends object, K> = Listener<ChannelEvents<S>, E, K>;

/** What a client tells about its connection, besides custom events. */
export interface ClientEvents {
  connect: () => void;
  disconnect: (reason: string) => void;
  connect_error: (error: Error) => void;
  /** An attempt to connect failed, or an event was not sent. */
  error: (error: RealtimeError) => void;
}

/** The listener that fits an event of a client. */
export type ClientListener<E extends object, K> = Listener<ClientEvents, E, K>;
