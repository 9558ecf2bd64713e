import { Emitter } from "./emitter.js";
import type { RealtimeError } from "./errors.js";
import type { Link } from "./link.js";
import { Membership, notJoined } from "./membership.js";
import type { PresenceSettings } from "./options.js";
import type { Outbox } from "./outbox.js";
import type { DefaultState, HeartbeatResponse, JoinResponse, Member } from "./protocol.js";
import { timed } from "./timed.js";
import type {
  ChannelEvents,
  ChannelListener,
  ChannelStatus,
  DefaultEvents,
  EmitArgs,
  EventAck,
  EventArgs,
  EventNames,
  JoinParams,
  Patch,
  RoomSnapshot,
  TimedEmitter,
  User,
  VolatileEmitter,
} from "./types.js";

/**
 * A membership in one room, and the members of that room. It joins again
 * after every loss, sends heartbeats, closes gaps, and keeps `members` as the
 * server has them. Made by `RealtimeClient.createPresenceChannel`.
 */
export class PresenceChannel<S extends object = DefaultState, E extends object = DefaultEvents> {
  /** Vue leaves this object as it is, as if by `markRaw`: its own reactivity is of no use here, see `subscribe`. @internal */
  readonly __v_skip = true;
  readonly #emitter = new Emitter();
  readonly #subscribers = new Emitter();
  readonly #membership: Membership<S>;

  /** @internal */
  constructor(link: Link, options: PresenceSettings) {
    this.#membership = new Membership(link, options, this.#emitter, (own) => {
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
    return this.#membership.patch(patch);
  }

  /** Deletes keys of the own state, as `updateState` changes them. What is done last to a key holds. */
  deleteState(keys: readonly (keyof S & string)[]): Promise<HeartbeatResponse> {
    return this.#membership.delete(keys);
  }

  /**
   * Sends a heartbeat now; there is seldom a need to, as the channel does by itself.
   * With `patchState` it is `updateState`. Resolves with the answer, which is that of the next join when the connection is lost before.
   */
  sendHeartbeat<P extends Partial<S>>(options?: { readonly patchState?: P & Patch<S, P> }): Promise<HeartbeatResponse> {
    return options?.patchState ? this.#membership.patch(options.patchState) : this.#membership.beat();
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

  /** Listens to an event of the channel, or to a custom event of its room, whose sender is the last argument. Returns what ends that. */
  on<K extends keyof ChannelEvents<S> | EventNames<E>>(event: K, listener: ChannelListener<S, E, K>): () => void {
    return this.#emitter.on(event, listener as (...args: never[]) => void);
  }

  /** Ends what `on` began. */
  off<K extends keyof ChannelEvents<S> | EventNames<E>>(event: K, listener: ChannelListener<S, E, K>): void {
    this.#emitter.off(event, listener as (...args: never[]) => void);
  }

  /**
   * Sends a custom event to the other members of this room. While the channel
   * is not joined it waits. A function given last is called when the server has
   * it. An event that is not delivered is told by `error`: the server refused
   * it, the connection was lost, or too many wait already (`outbox_full`).
   */
  emit<K extends EventNames<E>>(event: K, ...args: EmitArgs<E, K>): void {
    this.#outbox.emit(event, args as unknown[]);
  }

  /** Sends a custom event and resolves when the server has it; rejects when it is not delivered, or the connection is lost before that is known. */
  async emitWithAck<K extends EventNames<E>>(event: K, ...args: EventArgs<E, K>): Promise<EventAck<E, K>> {
    return this.#outbox.ask(event, args);
  }

  /** Emits whose acknowledgement must come within `ms`, waiting for the connection included. */
  timeout(ms: number): TimedEmitter<E> {
    return timed(ms, async (event, args) => this.#outbox.ask(event, args, ms));
  }

  /** Emits that are dropped when they cannot be sent now, such as the position of a cursor: nobody is told. */
  get volatile(): VolatileEmitter<E> {
    return { emit: (event, ...args) => this.#outbox.emitVolatile(event, args) };
  }

  get #outbox(): Outbox {
    if (this.#membership.roomId === undefined) throw notJoined();
    return this.#membership.outbox;
  }
}
