// @vitest-environment jsdom
import { act, StrictMode, type ReactNode } from "react";
import { createRoot, type Root } from "react-dom/client";
import { beforeEach, expect, test } from "vitest";

import { type DefaultState, type PresenceChannel, RealtimeError } from "../../src/index.js";
import { type Room, usePresence, useRoom, useSelf } from "../../src/react.js";
import { refusal } from "./fake-server.js";
import { scenes, settle } from "./setup.js";

const s = scenes();
let root: Root;
let room: Room;
let renders: number;

beforeEach(() => {
  Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });
  root = createRoot(document.createElement("div"));
  renders = 0;
});

async function render(node: ReactNode): Promise<void> {
  await act(async () => {
    root.render(node);
    await settle();
  });
}

async function unmount(): Promise<void> {
  await render(null);
}

function Lobby({ client, userId }: { client: ReturnType<typeof s.scene.client>; userId: string | null }): ReactNode {
  room = useRoom<DefaultState>(client, userId === null ? null : { roomId: "r", userId, state: { a: 1 } });
  return null;
}

test("useRoom is a member while mounted, once in strict mode too, and follows the room", async () => {
  const client = s.scene.client();
  await render(
    <StrictMode>
      <Lobby client={client} userId="ann" />
    </StrictMode>,
  );
  expect([room.status, room.self?.state, room.error]).toEqual(["joined", { a: 1 }, undefined]);
  expect(s.scene.server.named("presence:join")).toHaveLength(1);
  await act(async () => {
    s.scene.server.broadcast("r", { type: "join", connId: "b", userId: "bob" });
    await settle();
  });
  expect([...room.users.keys()]).toEqual(["ann", "bob"]);
  await unmount();
  expect(s.scene.server.named("presence:leave")).toHaveLength(1);
});

test("useRoom leaves one room for another, or for none", async () => {
  const client = s.scene.client();
  await render(<Lobby client={client} userId={null} />);
  expect([room.status, room.members.size, room.channel]).toEqual(["idle", 0, undefined]);
  await render(<Lobby client={client} userId="ann" />);
  const first = room.channel;
  await render(<Lobby client={client} userId="bob" />);
  expect([first?.status, room.self?.userId]).toEqual(["stopped", "bob"]);
  await render(<Lobby client={client} userId={null} />);
  expect([room.status, room.members.size]).toEqual(["idle", 0]);
  await unmount();
});

test("useRoom says why the room cannot be joined", async () => {
  s.scene.server.answer = () => refusal("forbidden");
  await render(<Lobby client={s.scene.client()} userId="ann" />);
  expect(room.error).toBeInstanceOf(RealtimeError);
  expect(room.error?.code).toBe("forbidden");
  await unmount();
});

test("useSelf renders when the own member is different, usePresence at every change", async () => {
  const channel = await s.scene.joined({ state: { a: 1 } });
  let update: ((patch: object) => void) | undefined;
  let shown: unknown;
  let members = 0;
  function Self({ of }: { of: PresenceChannel }): ReactNode {
    renders++;
    const [self, updateState] = useSelf(of);
    shown = self?.state;
    update = updateState;
    return null;
  }
  function All({ of }: { of: PresenceChannel }): ReactNode {
    members = usePresence(of).members.size;
    return null;
  }
  await render([<Self key="self" of={channel} />, <All key="all" of={channel} />]);
  const before = renders;
  await act(async () => {
    s.scene.server.broadcast("r", { type: "join", connId: "b", userId: "bob" });
    await settle();
  });
  expect([renders, members]).toEqual([before, 2]);
  await act(async () => {
    update?.({ a: 2 });
    await settle();
  });
  expect(shown).toEqual({ a: 2 });
  await unmount();
});
