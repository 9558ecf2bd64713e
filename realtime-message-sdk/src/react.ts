// Hooks for React 18 and newer.

import { useCallback, useEffect, useState, useSyncExternalStore } from "react";

import type { PresenceChannel } from "./channel.js";
import { RealtimeError } from "./errors.js";
import { framesOf } from "./frames.js";
import type { DefaultState, HeartbeatResponse, Member } from "./protocol.js";
import { type ChannelMaker, roomKey, SharedRoom } from "./shared.js";
import type { DefaultEvents, JoinParams, Patch, PresenceOptions, RoomSnapshot } from "./types.js";

export type { ChannelMaker };

/** What `useRoom` returns: the room as it is now, and the channel to act through. */
export interface Room<S extends object = DefaultState, E extends object = DefaultEvents> extends RoomSnapshot<S> {
  /** Undefined before the first effect, and while there are no params. */
  readonly channel: PresenceChannel<S, E> | undefined;
}

/** Changes keys of the own state, as `PresenceChannel.updateState` does. The promise may be ignored. */
export type UpdateState<S extends object> = <P extends Partial<S>>(patch: P & Patch<S, P>) => Promise<HeartbeatResponse>;

const NOBODY: RoomSnapshot<never> = { status: "idle", members: new Map(), users: new Map(), self: undefined, error: undefined };

/**
 * Is a member of a room while the component is mounted. Another room, user,
 * client or resume key leaves the one and joins the other; `null` as params: in no room.
 *
 * Components of one client that ask for the same room, user and resume key are one member, which
 * leaves with the last of them; `state` and `options` are those of the first, and later
 * changes of them are not looked at. As another user the room is
 * joined when the others have unmounted; `error` has the code `in_use` until then.
 */
export function useRoom<S extends object = DefaultState, E extends object = DefaultEvents>(
  client: ChannelMaker,
  params: JoinParams<S> | null,
  options?: PresenceOptions,
): Room<S, E> {
  const [held, setHeld] = useState<SharedRoom<S, E>>();
  const key = params && roomKey(params, options);

  useEffect(() => {
    if (!params) return undefined;
    const room = SharedRoom.acquire<S, E>(client, params, options);
    setHeld(room);
    return () => {
      room.release();
      setHeld(undefined);
    };
    // params and options are often new objects at each rendering: what they mean is compared.
  }, [client, key]);

  // Between a change and its effect there is no room, rather than the one before.
  const channel = held?.client === client && held.key === key ? held.channel : undefined;
  const { status, members, users, self, error } = usePresence(channel);
  return { channel, status, members, users, self, error };
}

/**
 * The room of a channel as it is now; of nobody without a channel. Renders once per
 * animation frame for what others do, at once for what this side does.
 */
export function usePresence<S extends object, E extends object>(channel: PresenceChannel<S, E> | undefined): RoomSnapshot<S> {
  const frames = channel && framesOf<S>(channel);
  return useSyncExternalStore<RoomSnapshot<S>>(frames?.subscribe ?? never, frames?.getSnapshot ?? nobody, nobody);
}

/** The own member of a channel, and what changes its state. Renders only when the own member is different. */
export function useSelf<S extends object, E extends object>(
  channel: PresenceChannel<S, E> | undefined,
): [self: Member<S> | undefined, updateState: UpdateState<S>] {
  const frames = channel && framesOf<S>(channel);
  const self = useSyncExternalStore(
    frames?.subscribe ?? never,
    () => frames?.getSnapshot().self,
    () => undefined,
  );
  const updateState = useCallback<UpdateState<S>>(
    (patch: Partial<S>) =>
      // Checked by the type of this function.
      channel?.updateState(patch as never) ?? Promise.reject(new RealtimeError("not_joined", "There is no channel yet.")),
    [channel],
  );
  return [self, updateState];
}

function never(): () => void {
  return () => undefined;
}

function nobody(): RoomSnapshot<never> {
  return NOBODY;
}
