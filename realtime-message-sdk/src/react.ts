// Hooks for React 18 and newer.

import { useCallback, useEffect, useState, useSyncExternalStore } from "react";

import type { PresenceChannel } from "./channel.js";
import { RealtimeError } from "./errors.js";
import type { DefaultState, Member } from "./protocol.js";
import type { DefaultEvents, JoinParams, PresenceOptions, RoomSnapshot } from "./types.js";

/** What `useRoom` returns: the room as it is now, and the channel to act through. */
export interface Room<S extends object = DefaultState, E extends object = DefaultEvents> extends RoomSnapshot<S> {
  /** Undefined before the first effect, and while there are no params. */
  readonly channel: PresenceChannel<S, E> | undefined;
  /** Why the room cannot be joined; undefined while it can. */
  readonly error: RealtimeError | undefined;
}

/** What makes channels: any RealtimeClient, whatever its custom events are. */
export interface ChannelMaker {
  createPresenceChannel<S extends object, E extends object>(options?: PresenceOptions): PresenceChannel<S, E>;
}

const NOBODY: RoomSnapshot<never> = { status: "idle", members: new Map(), users: new Map(), self: undefined };

/**
 * Is a member of a room while the component is mounted. Another room, user,
 * client or resume key leaves the one and joins the other; `state` is the one to begin
 * with, and later changes of it and of the other options are not looked at. `null` as params: in no room.
 */
export function useRoom<S extends object = DefaultState, E extends object = DefaultEvents>(
  client: ChannelMaker,
  params: JoinParams<S> | null,
  options?: PresenceOptions,
): Room<S, E> {
  const [channel, setChannel] = useState<PresenceChannel<S, E>>();
  const [error, setError] = useState<RealtimeError>();
  const roomId = params?.roomId;
  const userId = params?.userId;
  const resumeKey = options?.resumeKey;

  useEffect(() => {
    if (!params) return undefined;
    const made = client.createPresenceChannel<S, E>(options);
    let over = false;
    setChannel(made);
    setError(undefined);
    // Later than this effect: what is unmounted at once, as in strict mode, joins nothing.
    queueMicrotask(() => {
      if (over) return;
      made.join(params).catch((reason: unknown) => {
        if (!over && reason instanceof RealtimeError) setError(reason);
      });
    });
    return () => {
      over = true;
      made.stop();
      setChannel(undefined);
    };
    // params and options are often new objects at each rendering: what they mean is compared.
  }, [client, roomId, userId, resumeKey]);

  const { status, members, users, self } = usePresence(channel);
  return { channel, error, status, members, users, self };
}

/** The room of a channel as it is now; of nobody without a channel. */
export function usePresence<S extends object, E extends object>(channel: PresenceChannel<S, E> | undefined): RoomSnapshot<S> {
  const get = channel?.getSnapshot ?? nobody;
  return useSyncExternalStore<RoomSnapshot<S>>(channel?.subscribe ?? never, get, nobody);
}

/** The own member of a channel, and what changes its state. Renders only when the own member is different. */
export function useSelf<S extends object, E extends object>(
  channel: PresenceChannel<S, E> | undefined,
): [self: Member<S> | undefined, updateState: (patch: Partial<S>) => void] {
  const self = useSyncExternalStore(
    channel?.subscribe ?? never,
    () => channel?.self,
    () => undefined,
  );
  const updateState = useCallback(
    (patch: Partial<S>) => {
      channel?.updateState(patch).catch(() => undefined); // refusals are told by the channel's error event
    },
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
