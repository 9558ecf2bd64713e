// What goes over the wire: the presence protocol's payloads, as the server
// sends them.

/** A member's state: any JSON object. A state type of your own may be an interface. */
export type DefaultState = Record<string, unknown>;

/** Whether a member has a connection. `away`: it lost it, and its grace runs. */
export type MemberStatus = "online" | "away";

/** One connection in a room. Never changed: what changes is a new object. */
export interface Member<S extends object = DefaultState> {
  /** Identifies the membership; stays the same when it is resumed after a reload or a lost connection. */
  readonly connId: string;
  readonly userId: string;
  readonly state: Readonly<S>;
  /** Raised at every join and resume of the membership, from 1. */
  readonly epoch: number;
  readonly status: MemberStatus;
  /** When it joined: Unix time in milliseconds, by the server's clock. */
  readonly joinedMs: number;
  /** When it was last heard of as far as is known here: Unix time in milliseconds, by the server's clock. */
  readonly lastSeenMs: number;
}

/** Why a member left. */
export type LeaveReason = "leave" | "disconnect" | "timeout" | "node_lost" | "shutdown" | "kicked";

interface EventBase {
  readonly roomId: string;
  readonly userId: string;
  readonly connId: string;
  /** When it was decided: Unix time in milliseconds, by the server's clock. */
  readonly ts: number;
  readonly epoch: number;
  /** The room's sequence number after the event; it only rises. */
  readonly seq: number;
  /** The `seq` of the room's event before this one; left out, it is `seq - 1`. */
  readonly prev?: number;
  /** Connections that this user has in the room after the event. */
  readonly userConns: number;
}

/** A change of a room, as the server broadcasts it. */
export type PresenceEvent<S extends object = DefaultState> =
  | (EventBase & {
      readonly type: "join" | "update";
      /** The whole state after the event. */
      readonly state: Readonly<S>;
      readonly status: MemberStatus;
      /** When an `away` member was last heard of; left out, at `ts`. */
      readonly lastSeenMs?: number;
    })
  | (EventBase & {
      readonly type: "leave";
      readonly state: null;
      readonly reason: LeaveReason;
    });

interface ChangeBase {
  readonly userId: string;
  readonly connId: string;
  readonly ts: number;
  readonly epoch: number;
  readonly seq: number;
  readonly userConns: number;
}

/** One of several changes in a message: as a PresenceEvent, but of a state it may have only what changed. */
export type BatchedChange<S extends object = DefaultState> =
  | (ChangeBase & {
      readonly type: "join" | "update";
      /** The whole state. With neither this nor the next two it is as before. */
      readonly state?: Readonly<S>;
      /** Keys to replace. */
      readonly patch?: Readonly<Partial<S>>;
      /** Keys to delete. */
      readonly removed?: readonly string[];
      readonly status: MemberStatus;
      readonly lastSeenMs?: number;
    })
  | (ChangeBase & { readonly type: "leave"; readonly reason: LeaveReason });

/** Several changes of a room in one message. */
export interface PresenceBatch<S extends object = DefaultState> {
  readonly roomId: string;
  readonly seq: number;
  readonly prev: number;
  readonly ts: number;
  /** How many members and users the room has after all of them. */
  readonly total: { readonly members: number; readonly users: number };
  readonly events: readonly BatchedChange<S>[];
}

/** The answer to a join. */
export interface JoinResponse<S extends object = DefaultState> {
  readonly ok: true;
  /** Every member of the room, this one included. */
  readonly snapshot: readonly Member<S>[];
  readonly self: {
    readonly connId: string;
    readonly epoch: number;
    /** The grace in force, in milliseconds: the server may cap what was asked for. */
    readonly graceMs?: number;
    /** The secret that resumes this membership. */
    readonly resume?: string;
  };
  readonly seq: number;
  /** Whether a membership from before was taken over. */
  readonly resumed: boolean;
  /** Custom events of this connection name their sender from now on. Left out by servers that cannot do so. */
  readonly sender?: boolean;
}

/** Who sent a custom event, as the server knows it: no client can pass for another. */
export interface Sender {
  readonly connId: string;
  readonly userId: string;
  /** The room through which it was heard. */
  readonly roomId: string;
  /** When the server had it: Unix time in milliseconds, by its clock. */
  readonly ts: number;
}

/** The answer to a heartbeat or a patch. */
export interface HeartbeatResponse {
  readonly ok: true;
  /** Whether the state really changed. */
  readonly changed: boolean;
  readonly epoch?: number;
  /** The `seq` of the change's event, when there was one. */
  readonly seq?: number;
  /** The epoch sent was too old and nothing was written. The channel joins again by itself. */
  readonly stale?: boolean;
}

/** The answer to a sync without a `seq`. */
export interface SyncResponse<S extends object = DefaultState> {
  readonly ok: true;
  readonly seq: number;
  readonly snapshot: readonly Member<S>[];
}

/** What the server may refuse a request with. */
export type ErrorCode =
  | "invalid_payload"
  | "state_too_large"
  | "not_joined"
  | "too_many_rooms"
  | "unauthorized"
  | "forbidden"
  | "rate_limited"
  | "unavailable"
  | "shutting_down"
  | "internal"
  | "unknown_event"
  | "unsupported";

/** A refused request's answer. */
export interface Refusal {
  readonly ok: false;
  /** A sentence that a person can act on. */
  readonly error: string;
  readonly code: ErrorCode;
  /** With `rate_limited`: how long to wait, in milliseconds. */
  readonly retryAfterMs?: number;
}
