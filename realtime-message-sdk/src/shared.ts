// Memberships that several mounted components use together.

import type { PresenceChannel } from "./channel.js";
import type { JoinParams, PresenceOptions } from "./types.js";

/** What makes channels: any RealtimeClient, whatever its custom events are. */
export interface ChannelMaker {
  createPresenceChannel<S extends object, E extends object>(options?: PresenceOptions): PresenceChannel<S, E>;
}

const clients = new WeakMap<ChannelMaker, Map<string, SharedRoom<never, never>>>();

/** Tells memberships of one client apart. */
export function roomKey<S extends object>({ roomId, userId }: JoinParams<S>, options?: PresenceOptions): string {
  return JSON.stringify([roomId, userId, options?.resumeKey]);
}

/**
 * A membership for all components of a client that ask for the same room, user
 * and resume key: joined for the first of them, left after the last. The state
 * and the options of the first hold.
 */
export class SharedRoom<S extends object, E extends object> {
  readonly channel: PresenceChannel<S, E>;
  readonly client: ChannelMaker;
  readonly key: string;
  readonly #params: JoinParams<S>;
  readonly #rooms: Map<string, SharedRoom<S, E>>; // of the client, by key
  #users = 0;

  /** The membership for one more component, which has to release it. */
  static acquire<S extends object, E extends object>(client: ChannelMaker, params: JoinParams<S>, options?: PresenceOptions): SharedRoom<S, E> {
    const rooms = (clients.get(client) ?? new Map()) as Map<string, SharedRoom<S, E>>;
    clients.set(client, rooms as never);
    let room = rooms.get(roomKey(params, options));
    if (!room || room.channel.status === "stopped") {
      // A room is joined as one user at a time: what nobody uses any more goes first.
      for (const other of rooms.values()) if (other.#users === 0) other.#end();
      room = new SharedRoom<S, E>(client, rooms, params, options);
      room.#join();
    }
    room.#users++;
    return room;
  }

  private constructor(client: ChannelMaker, rooms: Map<string, SharedRoom<S, E>>, params: JoinParams<S>, options?: PresenceOptions) {
    this.channel = client.createPresenceChannel<S, E>(options);
    this.client = client;
    this.key = roomKey(params, options);
    this.#params = params;
    this.#rooms = rooms;
    rooms.set(this.key, this);
  }

  /** One component less. */
  release(): void {
    this.#users--;
    // Not at once: the component that takes over may mount right after this one, as in strict mode.
    queueMicrotask(() => {
      if (this.#users === 0) this.#end();
    });
  }

  #join(): void {
    this.channel.join(this.#params).catch(() => undefined); // the channel's `error` tells
  }

  #end(): void {
    if (this.#rooms.get(this.key) === this) this.#rooms.delete(this.key);
    this.channel.stop();
    // Who asked for the room as another user meanwhile has it now.
    for (const other of this.#rooms.values()) if (other.channel.error?.code === "in_use") other.#join();
  }
}
