// @vitest-environment jsdom
import { act, StrictMode, type ReactNode } from "react";
import { createRoot, type Root } from "react-dom/client";
import { beforeEach, describe, expect, test, vi } from "vitest";

import { type DefaultState, type JoinParams, type PresenceChannel, type PresenceOptions, RealtimeError } from "../../src/index.js";
import { type Room, usePresence, useRoom, useSelf } from "../../src/react.js";
import { refusal } from "./fake-server.js";
import { pass, scenes, settle } from "./setup.js";

const FRAME_MS = 16;

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

/** Something happens elsewhere, and the next frame comes. */
async function happens(what: () => void): Promise<void> {
  await act(async () => {
    what();
    await pass(FRAME_MS);
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
  await happens(() => {
    s.scene.server.broadcast("r", { type: "join", connId: "b", userId: "bob", ts: Date.now() + 1 });
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
  let update: ((patch: object) => Promise<unknown>) | undefined;
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
  await happens(() => {
    s.scene.server.broadcast("r", { type: "join", connId: "b", userId: "bob" });
  });
  expect([renders, members]).toEqual([before, 2]);
  await act(async () => {
    void update?.({ a: 2 });
    await settle();
  });
  expect(shown).toEqual({ a: 2 });
  await unmount();
});

describe("mounted users of one room", () => {
  type Client = ReturnType<typeof s.scene.client>;
  const seen = new Map<string, Room>();

  /** A component by name, whose room is noted at each rendering. */
  function Page({ name, client, params, options }: { name: string; client: Client; params: JoinParams | null; options?: PresenceOptions }): ReactNode {
    seen.set(name, useRoom(client, params, options));
    return null;
  }

  const ann = { roomId: "r", userId: "ann" };
  const requests = () => s.scene.server.requests.map(({ event, payload }) => `${event} ${String(payload.userId ?? payload.roomId)}`);
  const at = (name: string) => seen.get(name);

  beforeEach(() => {
    seen.clear();
  });

  test("are one member, until the last of them unmounts", async () => {
    const client = s.scene.client();
    const one = <Page key="1" name="1" client={client} params={{ ...ann, state: { of: 1 } }} />;
    const two = <Page key="2" name="2" client={client} params={{ ...ann, state: { of: 2 } }} />;
    await render([one, two]);
    expect([at("1")?.status, at("2")?.status, at("2")?.error]).toEqual(["joined", "joined", undefined]);
    expect(at("2")?.channel).toBe(at("1")?.channel);
    expect(at("2")?.self?.state).toEqual({ of: 1 });
    await render([two]);
    expect(at("2")?.status).toBe("joined");
    expect(requests()).toEqual(["presence:join ann"]);
    await unmount();
    expect(requests()).toEqual(["presence:join ann", "presence:leave r"]);
  });

  test.each(["the new page first", "the old page first", "in strict mode"])("a page transition is unseen: %s", async (how) => {
    const client = s.scene.client();
    const pages = (...names: string[]) => names.map((name) => <Page key={name} name={name} client={client} params={ann} />);
    const show = (node: ReactNode) => render(how === "in strict mode" ? <StrictMode>{node}</StrictMode> : node);
    await show(pages("old"));
    if (how === "the new page first") await show(pages("old", "new"));
    await show(pages("new"));
    expect(at("new")?.status).toBe("joined");
    expect(requests()).toEqual(["presence:join ann"]);
    await unmount();
    expect(requests()).toHaveLength(2);
  });

  test("as another user one waits for the others, and is told so", async () => {
    const client = s.scene.client();
    const page = (name: string, userId: string) => <Page key={name} name={name} client={client} params={{ ...ann, userId }} />;
    await render([page("1", "ann"), page("2", "bob")]);
    expect([at("2")?.status, at("2")?.error?.code]).toEqual(["idle", "in_use"]);
    await render([page("2", "bob")]);
    expect([at("2")?.status, at("2")?.error, at("2")?.self?.userId]).toEqual(["joined", undefined, "bob"]);
    await render([page("2", "cid")]); // the same component as somebody else
    expect([at("2")?.status, at("2")?.self?.userId]).toEqual(["joined", "cid"]);
    await unmount();
    expect(requests()).toEqual(["presence:join ann", "presence:leave r", "presence:join bob", "presence:leave r", "presence:join cid", "presence:leave r"]);
  });

  test("all become somebody else together", async () => {
    const client = s.scene.client();
    const pages = (userId: string) => ["1", "2"].map((name) => <Page key={name} name={name} client={client} params={{ ...ann, userId }} />);
    await render(pages("ann"));
    await render(pages("bob"));
    for (const name of ["1", "2"]) expect([at(name)?.status, at(name)?.self?.userId]).toEqual(["joined", "bob"]);
    expect(requests()).toEqual(["presence:join ann", "presence:leave r", "presence:join bob"]);
    await unmount();
  });

  test("never show the room before under the name of the next", async () => {
    const client = s.scene.client();
    const shown: string[] = [];
    function Both({ roomId }: { roomId: string }): ReactNode {
      const { members, channel } = useRoom(client, { ...ann, roomId });
      if (channel) shown.push(`${roomId}: ${[...members.values()].map(({ state }) => String(state.room)).join()}`);
      return null;
    }
    s.scene.server.broadcast("one", { type: "join", connId: "b", userId: "bob", state: { room: "one" } });
    await render(<Both roomId="one" />);
    await render(<Both roomId="two" />);
    expect(shown.filter((line) => line.startsWith("two") && line.includes("one"))).toEqual([]);
    await unmount();
  });

  test("each client has its own", async () => {
    const [first, second] = [s.scene.client(), s.scene.client()];
    await render([<Page key="1" name="1" client={first} params={ann} />, <Page key="2" name="2" client={second} params={ann} />]);
    expect(at("1")?.channel).not.toBe(at("2")?.channel);
    await render([<Page key="1" name="1" client={second} params={ann} />, <Page key="2" name="2" client={second} params={ann} />]);
    expect(at("1")?.channel).toBe(at("2")?.channel);
    expect(at("1")?.status).toBe("joined");
    await unmount();
  });

  test("resume keys tell memberships apart", async () => {
    const client = s.scene.client();
    await render([
      <Page key="1" name="1" client={client} params={ann} options={{ resumeKey: "left" }} />,
      <Page key="2" name="2" client={client} params={{ ...ann, roomId: "r2" }} options={{ resumeKey: "right" }} />,
    ]);
    expect([at("1")?.status, at("2")?.status]).toEqual(["joined", "joined"]);
    await unmount();
  });

  test("a room whose channel was stopped is joined by who mounts next", async () => {
    const client = s.scene.client();
    const page = (name: string) => <Page key={name} name={name} client={client} params={ann} />;
    await render([page("1")]);
    await act(async () => {
      at("1")?.channel?.stop();
      await settle();
    });
    expect(at("1")?.status).toBe("stopped");
    await render([page("1"), page("2")]);
    expect(at("2")?.status).toBe("joined");
    await render([page("2")]);
    expect(at("2")?.status).toBe("joined");
    await unmount();
  });
});

describe("why somebody is in no room", () => {
  test("kicked: the hook says so", async () => {
    await render(<Lobby client={s.scene.client()} userId="ann" />);
    await happens(() => {
      s.scene.server.broadcast("r", { type: "leave", connId: "socket-1", userId: "ann", state: null, reason: "kicked" });
    });
    expect([room.status, room.members.size, room.error?.code]).toEqual(["idle", 0, "kicked"]);
    await act(async () => {
      await room.channel?.join({ roomId: "r", userId: "ann" });
    });
    expect([room.status, room.error]).toEqual(["joined", undefined]);
    await unmount();
  });

  test("kicked with its connection: the hook says so", async () => {
    await render(<Lobby client={s.scene.client()} userId="ann" />);
    await happens(() => {
      s.scene.server.last.send("1");
    });
    expect([room.status, room.error?.code]).toEqual(["idle", "kicked"]);
    await unmount();
  });

  test("a rejoin that is refused for good is an error", async () => {
    await render(<Lobby client={s.scene.client()} userId="ann" />);
    s.scene.server.answer = ({ event }) => (event === "presence:join" ? refusal("forbidden") : undefined);
    await act(async () => {
      s.scene.server.last.lose();
      await pass(2000);
    });
    expect([room.status, room.error?.code]).toEqual(["idle", "forbidden"]);
    await unmount();
  });

  test("what may pass is an error as long as it lasts", async () => {
    s.scene.server.answer = () => refusal("unavailable");
    await render(<Lobby client={s.scene.client()} userId="ann" />);
    expect([room.status, room.error?.code]).toEqual(["joining", "unavailable"]);
    s.scene.server.answer = () => undefined;
    await act(async () => {
      await pass(1000);
    });
    expect([room.status, room.error]).toEqual(["joined", undefined]);
    await unmount();
  });

  test("a patch without a channel is refused", async () => {
    let update: ((patch: object) => Promise<unknown>) | undefined;
    function Self(): ReactNode {
      update = useSelf(undefined)[1];
      return null;
    }
    await render(<Self />);
    await expect(update?.({ a: 1 })).rejects.toMatchObject({ code: "not_joined" });
    await unmount();
  });
});

describe("frames", () => {
  const OTHERS = 49;
  let n = 0;

  function Cursors({ of, onRender }: { of: PresenceChannel; onRender: (shown: number) => void }): ReactNode {
    const { members } = usePresence(of);
    renders++;
    onRender(Number(members.get("b0")?.state.n));
    return null;
  }

  async function moving(): Promise<{ channel: PresenceChannel; move: () => void }> {
    const channel = await s.scene.joined();
    const change = (type: string, i: number) => s.scene.server.broadcast("r", { type, connId: `b${String(i)}`, userId: `bob ${String(i)}`, state: { n } });
    for (let i = 0; i < OTHERS; i++) change("join", i);
    await settle();
    const move = () => {
      n++;
      for (let i = 0; i < OTHERS; i++) change("update", i);
    };
    return { channel, move };
  }

  test("49 others at 60 Hz are one rendering per frame, and all components show the same moment", async () => {
    const { channel, move } = await moving();
    const shown: [number[], number[]] = [[], []];
    await render([
      <Cursors key="0" of={channel} onRender={(value) => shown[0].push(value)} />,
      <Cursors key="1" of={channel} onRender={(value) => shown[1].push(value)} />,
    ]);
    renders = 0;
    for (let frame = 0; frame < 60; frame++) await happens(move);
    expect(renders).toBeLessThanOrEqual(2 * 61);
    expect(renders).toBeGreaterThanOrEqual(2 * 59);
    expect(shown[0]).toEqual(shown[1]);
    expect(shown[0].at(-1)).toBe(n);
    await unmount();
  });

  test("own changes show at once, and what others did with them", async () => {
    const { channel, move } = await moving();
    let shown: unknown[] = [];
    function All(): ReactNode {
      const { self, members } = usePresence(channel);
      shown = [self?.state.a, members.get("b0")?.state.n];
      return null;
    }
    await render(<All />);
    await act(async () => {
      move();
      await settle();
    });
    expect(shown).toEqual([undefined, n - 1]);
    await act(async () => {
      void channel.updateState({ a: 1 });
      await settle();
    });
    expect(shown).toEqual([1, n]);
    await happens(() => undefined); // the event of the own change
    await unmount();
  });

  test.each(["hidden", "without frames"])("%s, a page shows everything at once", async (how) => {
    const { channel, move } = await moving();
    let shown = 0;
    await render(<Cursors of={channel} onRender={(value) => (shown = value)} />);
    if (how === "hidden") vi.spyOn(document, "hidden", "get").mockReturnValue(true);
    else vi.stubGlobal("requestAnimationFrame", undefined);
    await act(async () => {
      move();
      await settle();
    });
    expect(shown).toBe(n);
    await unmount();
  });

  test("what waits for a frame shows when the page is hidden, or no frame comes", async () => {
    const { channel, move } = await moving();
    let shown = 0;
    await render(<Cursors of={channel} onRender={(value) => (shown = value)} />);
    vi.stubGlobal("requestAnimationFrame", () => 0);
    vi.stubGlobal("cancelAnimationFrame", () => undefined);
    await act(async () => {
      move();
      await settle();
    });
    expect(shown).toBe(n - 1);
    await act(async () => {
      vi.spyOn(document, "hidden", "get").mockReturnValue(true);
      document.dispatchEvent(new Event("visibilitychange"));
      await settle();
    });
    expect(shown).toBe(n);
    vi.spyOn(document, "hidden", "get").mockReturnValue(false);
    await act(async () => {
      move();
      await pass(100);
    });
    expect(shown).toBe(n);
    await unmount();
  });

  test("a channel is let go of when the last component unmounts", async () => {
    const { channel, move } = await moving();
    const subscribers = vi.spyOn(channel, "subscribe");
    await render([<Cursors key="0" of={channel} onRender={() => undefined} />, <Cursors key="1" of={channel} onRender={() => undefined} />]);
    expect(subscribers).toHaveBeenCalledTimes(1);
    await act(async () => {
      move(); // a frame is awaited
      await settle();
    });
    await unmount();
    renders = 0;
    await happens(move);
    expect(renders).toBe(0);
  });
});
