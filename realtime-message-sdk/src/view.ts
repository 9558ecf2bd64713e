import type { RealtimeError } from "./errors.js";
import type { Member } from "./protocol.js";
import type { ChannelStatus, RoomSnapshot, User } from "./types.js";

/** One moment of a room; the users are put together when somebody asks for them. */
export function roomView<S extends object>(
  status: ChannelStatus,
  members: ReadonlyMap<string, Member<S>>,
  self: Member<S> | undefined,
  error: RealtimeError | undefined,
): RoomSnapshot<S> {
  let users: ReadonlyMap<string, User<S>> | undefined;
  return {
    status,
    members,
    self,
    error,
    get users() {
      return (users ??= byUser(members));
    },
  };
}

/** Members are in the order of joining, so users are in the order of their first member. */
function byUser<S extends object>(members: ReadonlyMap<string, Member<S>>): ReadonlyMap<string, User<S>> {
  const lists = new Map<string, Member<S>[]>();
  for (const member of members.values()) {
    const list = lists.get(member.userId);
    if (list) list.push(member);
    else lists.set(member.userId, [member]);
  }
  const users = new Map<string, User<S>>();
  for (const [userId, list] of lists) {
    const status = list.some((member) => member.status === "online") ? "online" : "away";
    users.set(userId, { userId, members: list, status });
  }
  return users;
}
