import type { RealtimeError } from "./errors.js";
import type { Member, MemberStatus } from "./protocol.js";
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
  const users = new Map<string, { userId: string; members: Member<S>[]; status: MemberStatus }>();
  for (const member of members.values()) {
    const { userId, status } = member;
    let user = users.get(userId);
    if (!user) users.set(userId, (user = { userId, members: [], status }));
    user.members.push(member);
    if (status === "online") user.status = status;
  }
  return users;
}
