import { beforeEach, describe, expect, test, vi } from "vitest";

import { RealtimeClient } from "../../src/index.js";
import { pass, scenes, settle } from "./setup.js";

const s = scenes();
const KEY = 'realtime-message:["r","ann",""]';

/** A page, as much of it as counts here; its listeners are counted. */
class Page {
  readonly stored = new Map<string, string>();
  listeners = 0;
  hidden = false;
  readonly #events = new EventTarget();

  constructor() {
    const addEventListener = (name: string, listener: () => void, options: { signal: AbortSignal }) => {
      this.listeners++;
      options.signal.addEventListener("abort", () => this.listeners--);
      this.#events.addEventListener(name, listener, options);
    };
    const page = this;
    const document = {
      addEventListener,
      get hidden() {
        return page.hidden;
      },
    };
    vi.stubGlobal("document", document);
    vi.stubGlobal("addEventListener", addEventListener);
    vi.stubGlobal("sessionStorage", {
      getItem: (key: string) => this.stored.get(key) ?? null,
      setItem: (key: string, value: string) => this.stored.set(key, value),
      removeItem: (key: string) => this.stored.delete(key),
    });
  }

  tell(name: string, persisted = false): void {
    this.#events.dispatchEvent(Object.assign(new Event(name), { persisted }));
  }
}

describe("in a page", () => {
  let page: Page;
  beforeEach(() => {
    page = new Page();
  });

  test("pagehide keeps the token, sends what waits and then a leave with pageGraceMs", async () => {
    const channel = await s.scene.joined();
    s.scene.server.answer = ({ event }) => (event === "presence:heartbeat" ? null : undefined);
    void channel.updateState({ a: 1 });
    void channel.updateState({ b: 2 });
    expect(page.stored.size).toBe(0);
    page.tell("pagehide");
    expect([...page.stored]).toEqual([[KEY, "token-socket-1"]]);
    await settle();
    expect(s.scene.server.requests.slice(2).map(({ event, payload }) => [event, payload])).toEqual([
      ["presence:heartbeat", { roomId: "r", epoch: 1, patchState: { a: 1, b: 2 } }],
      ["presence:leave", { roomId: "r", graceMs: 3000 }],
    ]);
  });

  test("the page that follows resumes with the token, which is then gone", async () => {
    await s.scene.joined({ state: { a: 1 } });
    page.tell("pagehide");
    s.scene.server.last.lose(true);
    const again = await s.scene.joined();
    expect(s.scene.server.named("presence:join")[1]?.payload).toEqual({ roomId: "r", userId: "ann", graceMs: 15_000, resume: "token-socket-1", sender: true, deltas: true });
    expect(again.self).toMatchObject({ connId: "socket-1", state: { a: 1 } });
    expect(page.stored.size).toBe(0);
  });

  test("patches made before the first join was answered follow it, when the state is the one from before", async () => {
    await s.scene.joined({ state: { a: 1, b: 1 } });
    page.tell("pagehide");
    s.scene.server.last.lose(true);
    const channel = s.scene.client().createPresenceChannel();
    void channel.join({ roomId: "r", userId: "ann" });
    await channel.updateState({ b: 2 });
    expect(channel.self?.state).toEqual({ a: 1, b: 2 });
  });

  test("a state to begin with does not replace that of the page before", async () => {
    const before = await s.scene.joined({ state: { a: 1 } });
    await before.updateState({ a: 2 });
    page.tell("pagehide");
    s.scene.server.last.lose(true);
    const channel = s.scene.client().createPresenceChannel();
    const joined = channel.join({ roomId: "r", userId: "ann", state: { a: 1 } });
    const patched = channel.updateState({ b: 1 });
    expect((await joined).resumed).toBe(true);
    expect(s.scene.server.named("presence:join")[1]?.payload).toMatchObject({ state: { a: 1 }, keepState: true });
    expect(channel.self?.state).toEqual({ a: 2, b: 1 });
    await patched;
    s.scene.server.last.lose(); // what this page knows by itself is sent whole again
    await pass(2000);
    expect(s.scene.server.named("presence:join")[2]?.payload).toMatchObject({ state: { a: 2, b: 1 } });
    expect(s.scene.server.named("presence:join")[2]?.payload.keepState).toBeUndefined();
  });

  test("a state to begin with is there at once when nothing is left to resume", async () => {
    await s.scene.joined({ state: { a: 1 } });
    page.tell("pagehide");
    s.scene.server.last.lose(true);
    s.scene.server.room("r").tokens.clear();
    const channel = s.scene.client().createPresenceChannel();
    const { resumed, snapshot } = await channel.join({ roomId: "r", userId: "ann", state: { a: 7 } });
    expect([resumed, snapshot.at(-1)?.state, channel.self?.state]).toEqual([false, { a: 7 }, { a: 7 }]);
  });

  test("a token is for one room, user and resume key", async () => {
    await s.scene.joined();
    page.tell("pagehide");
    const other = s.scene.client({ presence: { resumeKey: "left" } });
    await s.scene.joined({}, other);
    await s.scene.joined({ userId: "bob" });
    await s.scene.joined({ roomId: "r2" });
    expect(s.scene.server.named("presence:join").map(({ payload }) => payload.resume)).toEqual([undefined, undefined, undefined, undefined]);
    page.tell("pagehide");
    expect([...page.stored.keys()]).toContain('realtime-message:["r","ann","left"]');
  });

  test("offline at pagehide, the token is kept all the same", async () => {
    await s.scene.joined();
    s.scene.server.unreachable = true;
    s.scene.server.last.lose();
    page.tell("pagehide");
    expect(page.stored.get(KEY)).toBe("token-socket-1");
    expect(s.scene.server.named("presence:leave")).toEqual([]);
  });

  test("a page that is cached closes its transport, not its membership, and resumes when shown again", async () => {
    const channel = await s.scene.joined({ state: { a: 1 } });
    const { server } = s.scene;
    page.tell("pagehide", true);
    await settle();
    expect(server.last.open).toBe(false);
    expect(server.wire.filter((packet) => packet.startsWith("1"))).toEqual([]); // no disconnect packet
    expect(channel.status).toBe("reconnecting");
    await pass(60_000);
    expect(server.connections).toHaveLength(1);
    page.tell("pageshow", true);
    await settle();
    expect([channel.status, channel.self?.connId, server.connections.length]).toEqual(["joined", "socket-1", 2]);
    expect(page.stored.size).toBe(0);
    server.last.lose(); // and losses are made good again
    await pass(2000);
    expect(channel.status).toBe("joined");
  });

  test("a page that becomes visible looks at once whether the connection lives", async () => {
    await s.scene.joined();
    page.hidden = true;
    page.tell("visibilitychange");
    expect(s.scene.server.named("presence:heartbeat")).toHaveLength(0);
    page.hidden = false;
    page.tell("visibilitychange");
    expect(s.scene.server.named("presence:heartbeat")).toHaveLength(1);
  });

  test("a page that goes on after pagehide is a member again by its next heartbeat", async () => {
    const channel = await s.scene.joined();
    page.tell("pagehide");
    await pass(10_000);
    expect(channel.status).toBe("joined");
    expect(s.scene.server.named("presence:join")).toHaveLength(2);
  });

  test("listeners are there from connect to disconnect, once", async () => {
    const client = s.scene.client();
    expect(page.listeners).toBe(0);
    await s.scene.joined({}, client);
    await s.scene.joined({ roomId: "r2" }, client);
    expect(page.listeners).toBe(4);
    client.disconnect();
    expect(page.listeners).toBe(0);
  });

  test("no listener is left of a client that was refused for good", async () => {
    s.scene.server.refuseConnect = "Invalid namespace";
    const join = s.scene.client().joinRoom({ roomId: "r", userId: "ann" });
    await expect(join).rejects.toMatchObject({ code: "refused" });
    expect(page.listeners).toBe(0);
  });

  test("storage that is forbidden costs the resume, nothing else", async () => {
    vi.stubGlobal("sessionStorage", {
      getItem: () => {
        throw new Error("denied");
      },
      setItem: () => {
        throw new Error("denied");
      },
    });
    await s.scene.joined();
    page.tell("pagehide");
    expect(s.scene.server.named("presence:leave")).toHaveLength(1);
  });
});

test("without a page and without storage there is no resume over a reload, and no failure", async () => {
  expect(typeof document).toBe("undefined");
  await s.scene.joined();
  expect(new RealtimeClient({ baseUrl: "http://test" }).isConnected()).toBe(false);
});
