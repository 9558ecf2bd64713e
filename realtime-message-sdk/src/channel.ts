import { Emitter } from "./emitter.js";
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
  readonly #emitter = new Emitter();
  readonly #subscribers = new Set<() => void>();
  readonly #membership: Membership<S>;
  readonly #link: Link;
  #snapshot: RoomSnapshot<S> | undefined; // the last one handed out, while it is true

  /** @internal */
  constructor(link: Link, options: PresenceSettings) {
    this.#membership = new Membership(link, options, this.#emitter, () => {
      this.#snapshot = undefined;
      for (const listener of [...this.#subscribers]) listener();
    });
    this.#link = link;
    link.hooks.add(this.#membership);
  }

  /** Where the channel stands. */
  get status(): ChannelStatus {
    return this.#membership.status;
  }

  /** The room's members by connId. Empty while in no room; the last known ones while reconnecting. */
  get members(): ReadonlyMap<string, Member<S>> {
    return this.getSnapshot().members;
  }

  /** The room's users by userId, each with its connections. */
  get users(): ReadonlyMap<string, User<S>> {
    return this.getSnapshot().users;
  }

  /** The own member, with patches that are on their way. */
  get self(): Member<S> | undefined {
    return this.getSnapshot().self;
  }

  /** Everything at one moment. The same object until something is different; an arrow function, so that it can be passed on. */
  readonly getSnapshot = (): RoomSnapshot<S> => {
    return (this.#snapshot ??= this.#membership.view());
  };

  /** Calls the listener after every change of `getSnapshot()`; returns what ends that. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#subscribers.add(listener);
    return () => {
      this.#subscribers.delete(listener);
    };
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
  updateState(patch: Partial<S>): Promise<HeartbeatResponse> {
    return this.#membership.beat(patch);
  }

  /**
   * Sends a heartbeat now; there is seldom a need to, as the channel does by itself.
   * With `patchState` it is `updateState`. Resolves with the answer, which is that of the next join when the connection is lost before.
   */
  sendHeartbeat(options?: { readonly patchState?: Partial<S> }): Promise<HeartbeatResponse> {
    return this.#membership.beat(options?.patchState);
  }

  /** Leaves the room. Resolves when the server knows, or cannot be told. The channel can join again. */
  leave(): Promise<void> {
    return this.#membership.leave();
  }

  /** Leaves without waiting and lets go of every listener and timer. The channel is of no use afterwards. */
  stop(): void {
    if (this.status === "stopped") return;
    this.#membership.stop();
    this.#link.hooks.delete(this.#membership);
    this.#emitter.clear();
    this.#subscribers.clear();
  }

  /** Listens to an event of the channel, or to a custom event of its room. Returns what ends that. */
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
