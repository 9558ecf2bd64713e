import type { Connection } from "./connection.js";
import { Emitter } from "./emitter.js";
import { Endpoint } from "./endpoint.js";
import type { RealtimeError } from "./errors.js";
import { asSent, deleted } from "./json.js";
import { Membership, notJoined } from "./membership.js";
import type { PresenceSettings } from "./options.js";
import type { DefaultState, HeartbeatResponse, JoinResponse, Member } from "./protocol.js";
import type { ChannelEvents, ChannelStatus, DefaultEvents, JoinParams, Patch, RoomSnapshot, User } from "./types.js";

/**
 * A membership in one room, and the members of that room. It joins again
 * after every loss, sends heartbeats, closes gaps, and keeps `members` as the
 * server has them. Made by `RealtimeClient.createPresenceChannel`.
 */
export class PresenceChannel<S extends object = DefaultState, E extends object = DefaultEvents> extends Endpoint<ChannelEvents<S>, E> {
  readonly #emitter: Emitter;
  readonly #subscribers = new Emitter();
  readonly #membership: Membership<S>;

  /** @internal */
  constructor(connection: Connection, options: PresenceSettings, lost: (error: RealtimeError) => void) {
    const emitter = new Emitter();
    super(emitter, () => {
      if (this.#membership.roomId === undefined) throw notJoined();
      return this.#membership.outbox;
    });
    this.#emitter = emitter;
    this.#membership = new Membership(connection, options, lost, emitter, (own) => {
      this.#subscribers.emit("", own);
    });
  }

  /** Where the channel stands. */
  get status(): ChannelStatus {
    return this.#membership.status;
  }

  /** Why the channel is no member, or not yet; see `RoomSnapshot.error`. */
  get error(): RealtimeError | undefined {
    return this.getSnapshot().error;
  }

  /** The room's members by connId, in the order of joining. Empty while in no room; the last known ones while reconnecting. */
  get members(): ReadonlyMap<string, Member<S>> {
    return this.getSnapshot().members;
  }

  /** The room's users by userId, each with its connections, in the order of joining. */
  get users(): ReadonlyMap<string, User<S>> {
    return this.getSnapshot().users;
  }

  /** The own member, with patches that are on their way. */
  get self(): Member<S> | undefined {
    return this.getSnapshot().self;
  }

  /** Everything at one moment. The same object until something is different; an arrow function, so that it can be passed on. */
  readonly getSnapshot = (): RoomSnapshot<S> => {
    return this.#membership.view();
  };

  /**
   * Calls the listener after every change of `getSnapshot()`; returns what ends that. `own`
   * is true when this side did something, or the status is another: what a user waits to see.
   */
  readonly subscribe = (listener: (own: boolean) => void): (() => void) => {
    return this.#subscribers.on("", listener);
  };

  /**
   * Joins a room, connecting the client if need be, and stays in it until
   * `leave` or `stop`. Resolves once joined, however long that takes;
   * rejects with a RealtimeError if the server refuses for good, or when left before.
   */
  join(params: JoinParams<S>): Promise<JoinResponse<S>> {
    return this.#membership.join(params);
  }

  /**
   * Changes keys of the own state: each replaces the old value whole. Seen at
   * once in `self` and `members`. What is changed while offline, or faster than answers come,
   * is sent together. Resolves when the server has it; rejects if it refuses it for good.
   */
  updateState<P extends Partial<S>>(patch: P & Patch<S, P>): Promise<HeartbeatResponse> {
    return this.#membership.beat(() => asSent(patch));
  }

  /** Deletes keys of the own state, as `updateState` changes them. What is done last to a key holds. */
  deleteState(keys: readonly (keyof S & string)[]): Promise<HeartbeatResponse> {
    return this.#membership.beat(() => deleted(keys));
  }

  /**
   * Sends a heartbeat now; there is seldom a need to, as the channel does by itself.
   * With `patchState` it is `updateState`. Resolves with the answer, which is that of the next join when the connection is lost before.
   */
  sendHeartbeat<P extends Partial<S>>(options?: { readonly patchState?: P & Patch<S, P> }): Promise<HeartbeatResponse> {
    const patch = options?.patchState;
    return this.#membership.beat(patch && (() => asSent(patch)));
  }

  /** Leaves the room. Resolves when the server knows, or cannot be told. The channel can join again. */
  leave(): Promise<void> {
    return this.#membership.leave();
  }

  /** Leaves without waiting and lets go of every listener and timer. The channel is of no use afterwards. */
  stop(): void {
    if (this.status === "stopped") return;
    this.#membership.stop(() => {
      this.#emitter.clear();
      this.#subscribers.clear();
    });
  }
}
