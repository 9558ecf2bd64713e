// Attempts to connect that come to nothing: each is told, and what cannot get
// better by trying is not tried again.

import { describe, expect, test, vi } from "vitest";

import type { RealtimeClientOptions, RealtimeError } from "../../src/index.js";
import { refusal } from "./fake-server.js";
import { pass, scenes, settle, told } from "./setup.js";

const s = scenes();

/** A channel that begins to join, and everything it and its client are told of failures. */
function joining(options: Partial<RealtimeClientOptions> = {}) {
  const client = s.scene.client(options);
  const channel = client.createPresenceChannel();
  const errors = told<RealtimeError>(channel, "error");
  const clientErrors: RealtimeError[] = [];
  client.on("error", (error) => clientErrors.push(error));
  const ended: RealtimeError[] = [];
  channel.join({ roomId: "r", userId: "ann", state: { n: 0 } }).catch((error: unknown) => ended.push(error as RealtimeError));
  return { client, channel, errors, clientErrors, ended, codes: () => errors.map(({ code }) => code) };
}

describe("a connection that is lost before the join is answered", () => {
  const causes: [string, () => void][] = [
    ["at the join", () => (s.scene.server.answer = ({ connection }) => (connection.lose(), null))],
    ["at the handshake", () => (s.scene.server.loseConnects = true)],
    ["without an answer", () => (s.scene.server.answer = () => null)],
    ["in silence", () => (s.scene.server.silent = true)],
  ];

  test.each(causes)("%s counts as a failed attempt: the waits grow, and each is told", async (_, break_) => {
    break_();
    const { channel, codes, ended } = joining();
    await pass(60_000);
    expect(codes().length).toBeGreaterThan(1);
    expect(new Set(codes())).toEqual(new Set(["disconnected"]));
    await pass(600_000 - 60_000);
    expect(s.scene.server.connections.length).toBeLessThan(220); // 3 s and more between two
    expect([channel.status, ended]).toEqual(["joining", []]);
    s.scene.server.answer = () => undefined;
    s.scene.server.loseConnects = s.scene.server.silent = false;
    await pass(40_000);
    expect(channel.status).toBe("joined");
  });

  test("waits as its options say", async () => {
    s.scene.server.loseConnects = true;
    joining({ reconnectionDelay: 100, reconnectionDelayMax: 60_000, randomizationFactor: 0 });
    await settle();
    const at: number[] = [];
    for (let ms = 0; ms < 5000; ms += 100) {
      if (s.scene.server.connections.length > at.length) at.push(ms);
      await pass(100);
    }
    expect(at).toEqual([0, 100, 300, 700, 1500, 3100]);
  });

  test("ends the join when that was the last attempt", async () => {
    s.scene.server.loseConnects = true;
    const { channel, codes, ended } = joining({ reconnectionAttempts: 3 });
    await pass(60_000);
    expect([channel.status, codes().length, ended.map(({ code }) => code)]).toEqual(["idle", 4, ["disconnected"]]);
    expect(s.scene.server.connections).toHaveLength(4);
  });

  test("one that holds does not make the next loss a failure", async () => {
    const { server } = s.scene;
    let cut = 3;
    server.answer = ({ connection }) => (cut-- > 0 ? (connection.lose(), null) : undefined);
    const { channel, codes } = joining();
    await pass(10_000);
    expect([channel.status, codes().length]).toEqual(["joined", 3]);
    const attempts = told(channel, "reconnecting");
    server.last.lose();
    await pass(1000);
    expect([channel.status, codes().length, attempts]).toEqual(["joined", 3, [{ attempt: 1 }]]);
  });

  test("of several rooms one is enough to be a failure", async () => {
    const { server } = s.scene;
    const client = s.scene.client();
    server.answer = ({ event, payload, connection }) => {
      if (event === "presence:join" && payload.roomId === "bad") connection.lose();
      return undefined;
    };
    for (const roomId of ["good", "bad"]) client.createPresenceChannel().join({ roomId, userId: "ann" }).catch(() => undefined);
    await pass(60_000);
    expect(server.connections.length).toBeLessThan(25);
  });

  test("a sync that cuts the connection counts too", async () => {
    const { server } = s.scene;
    const channel = await s.scene.joined();
    server.answer = ({ event, connection }) => {
      if (event === "presence:join") {
        queueMicrotask(() => {
          server.missed("r", { type: "join", connId: "b", userId: "bob" });
          server.broadcast("r", { type: "join", connId: "c", userId: "cid" });
        });
      }
      if (event === "presence:sync") connection.lose();
      return undefined;
    };
    server.last.lose();
    await pass(60_000);
    expect(server.named("presence:sync").length).toBeGreaterThan(3);
    expect(server.connections.length).toBeLessThan(25);
    void channel.leave();
  });
});

describe("a server that cannot be reached", () => {
  test("is told from the first failure on, with a code and the address", async () => {
    s.scene.server.unreachable = true;
    const { channel, errors, clientErrors } = joining();
    await settle();
    expect(errors).toMatchObject([{ code: "disconnected", cause: { message: "unreachable" } }]);
    expect(errors[0]?.message).toBe("http://test cannot be reached (unreachable): check address, port and path.");
    await pass(10_000);
    expect(errors.length).toBeGreaterThan(2);
    expect(clientErrors).toEqual(errors);
    s.scene.server.unreachable = false;
    await pass(10_000);
    expect(channel.status).toBe("joined");
  });

  test("is told apart from one that answers, but is another kind of server", async () => {
    s.scene.server.unreachable = true;
    s.scene.server.unreachableFor = "server error";
    const { errors } = joining();
    await settle();
    expect(errors[0]?.message).toBe("http://test is no Socket.IO server: check address, port and path.");
  });

  test("may not allow the origin of the page: it is named", async () => {
    vi.stubGlobal("location", { origin: "http://localhost:5173" });
    s.scene.server.unreachable = true;
    const { errors } = joining();
    await settle();
    expect(errors[0]?.message).toMatch(/path, and that the server allows pages of http:\/\/localhost:5173 \(CORS\)\.$/);
  });

  test("several joins during a wait make no attempts of their own; connect does", async () => {
    s.scene.server.unreachable = true;
    const client = s.scene.client();
    const { server } = s.scene;
    client.connect();
    await settle();
    server.unreachable = false;
    for (const roomId of ["a", "b", "c"]) void client.createPresenceChannel().join({ roomId, userId: "ann" });
    await settle();
    expect(server.connections).toHaveLength(0);
    client.connect();
    await settle();
    expect([server.connections.length, server.named("presence:join").length]).toEqual([1, 3]);
  });
});

describe("authProvider", () => {
  test.each([["a string", "token"], ["a number", 7], ["null", null], ["an array", [1]]])("that returns %s ends the join", async (_, auth) => {
    const authProvider = vi.fn(() => auth as never);
    const { channel, codes, ended } = joining({ authProvider });
    await pass(60_000);
    expect([channel.status, codes(), ended.map(({ code }) => code)]).toEqual(["idle", ["auth_failed"], ["auth_failed"]]);
    expect(ended[0]?.message).toContain("object");
    expect([authProvider.mock.calls.length, s.scene.server.connections.filter(({ open }) => open)]).toEqual([1, []]);
  });

  test("that returns what JSON cannot hold ends the join", async () => {
    const { codes, ended } = joining({ authProvider: () => ({ n: 1n }) });
    await pass(60_000);
    expect([codes(), ended.length]).toEqual([["auth_failed"], 1]);
  });

  test("that returns undefined is as good as none", async () => {
    const { channel } = joining({ authProvider: () => undefined as never });
    await settle();
    expect(channel.status).toBe("joined");
  });

  test("that fails again and again is asked ever less often", async () => {
    const authProvider = vi.fn(() => Promise.reject(new Error("no network")));
    const { codes, errors } = joining({ authProvider });
    await pass(600_000);
    expect(errors[0]?.message).toBe("authProvider failed: Error: no network");
    expect(authProvider.mock.calls.length).toBeLessThan(220);
    expect(codes().length).toBe(authProvider.mock.calls.length);
  });

  test("that answers after its connection was lost does not speak for the next one", async () => {
    const answers: ((auth: object) => void)[] = [];
    const authProvider = () => new Promise<Record<string, unknown>>((resolve) => answers.push(resolve as never));
    const { channel } = joining({ authProvider });
    await settle();
    s.scene.server.last.lose();
    await pass(2000);
    expect(answers).toHaveLength(2);
    answers[0]?.({ old: true });
    await settle();
    expect(channel.status).toBe("joining");
    answers[1]?.({ fresh: true });
    await settle();
    expect(channel.status).toBe("joined");
    expect(s.scene.server.wire.filter((packet) => packet.startsWith("0"))).toEqual(['0{"fresh":true}']);
  });

  test("is asked once for several joins, however long it takes", async () => {
    let answer: (auth: Record<string, unknown>) => void = () => undefined;
    const authProvider = vi.fn(() => new Promise<Record<string, unknown>>((resolve) => (answer = resolve)));
    const { client, channel } = joining({ authProvider });
    await settle();
    void client.createPresenceChannel().join({ roomId: "r2", userId: "ann" });
    client.connect();
    await settle();
    answer({});
    await settle();
    expect([authProvider.mock.calls.length, channel.status]).toEqual([1, "joined"]);
  });
});

describe("a connection that the server refuses", () => {
  test("an invalid namespace is not tried again", async () => {
    s.scene.server.refuseConnect = "Invalid namespace";
    const { channel, codes, ended } = joining();
    await pass(60_000);
    expect([channel.status, codes(), ended.length]).toEqual(["idle", ["refused"], 1]);
    expect(ended[0]?.message).toMatch(/^Invalid namespace.*baseUrl/);
    expect(s.scene.server.connections).toHaveLength(1);
  });

  test("a login is asked for once more, then that is the end", async () => {
    s.scene.server.refuseConnect = "expired";
    const authProvider = vi.fn(() => ({ token: "old" }));
    const { client, channel, codes, ended } = joining({ authProvider });
    await pass(60_000);
    expect([channel.status, codes(), ended]).toMatchObject(["idle", ["refused", "refused"], [{ code: "refused", message: "expired" }]]);
    expect(authProvider).toHaveBeenCalledTimes(2);
    s.scene.server.refuseConnect = undefined;
    expect((await client.joinRoom({ roomId: "r", userId: "ann" })).response.ok).toBe(true); // a new join begins again
  });

  test("a login that expired while joined is asked for once more", async () => {
    const { server } = s.scene;
    let asked = 0;
    const authProvider = () => ({ token: ++asked });
    const channel = await s.scene.joined({}, s.scene.client({ authProvider }));
    for (const wanted of [3, 5]) {
      server.refuseConnect = "expired";
      server.last.lose();
      await pass(1000);
      server.refuseConnect = undefined;
      await pass(5000);
      expect([channel.status, asked]).toEqual(["joined", wanted]);
    }
    const ends = told(channel, "disconnected");
    server.refuseConnect = "expired";
    server.last.lose();
    await pass(60_000);
    expect([channel.status, asked, ends.at(-1)]).toEqual(["idle", 7, { reason: "refused", willReconnect: false }]);
  });

  test("because of a fault of its own is tried again", async () => {
    s.scene.server.refuseConnect = "internal error"; // as it says when a middleware panicked
    const { channel, codes } = joining();
    await pass(20_000);
    expect([channel.status, new Set(codes())]).toEqual(["joining", new Set(["internal"])]);
  });

  test.each(["unavailable", "rate_limited", "shutting_down", "internal"])("%s never ends it", async (code) => {
    s.scene.server.refuseConnect = "later";
    s.scene.server.refuseData = { code, retryAfterMs: 7000 };
    const { channel, codes, ended } = joining();
    await pass(600_000);
    expect([channel.status, ended, new Set(codes())]).toEqual(["joining", [], new Set([code])]);
    expect(s.scene.server.connections.length).toBeLessThan(90);
    s.scene.server.refuseConnect = undefined;
    await pass(10_000);
    expect(channel.status).toBe("joined");
  });
});

describe("what a developer sees who gives no logger", () => {
  test("the first failure in a row on the console, and the end", async () => {
    const warn = vi.spyOn(console, "warn").mockReturnValue();
    s.scene.server.unreachable = true;
    joining({ logger: undefined, reconnectionAttempts: 5 });
    await settle();
    expect(warn.mock.calls).toEqual([[expect.stringMatching(/^realtime-message: .*cannot be reached/)]]);
    await pass(60_000);
    expect(warn).toHaveBeenCalledTimes(2);
  });

  test("and again the first after a connection that held", async () => {
    const warn = vi.spyOn(console, "warn").mockReturnValue();
    const { server } = s.scene;
    await s.scene.joined({}, s.scene.client({ logger: undefined }));
    for (const count of [1, 2]) {
      server.unreachable = true;
      server.last.lose();
      await pass(20_000);
      expect(warn).toHaveBeenCalledTimes(count);
      server.unreachable = false;
      await pass(10_000);
    }
  });

  test("the first event that is not delivered for each code", async () => {
    const warn = vi.spyOn(console, "warn").mockReturnValue();
    const client = s.scene.client({ logger: undefined });
    const channel = await s.scene.joined({}, client);
    s.scene.server.answer = ({ event }) => (event === "presence:emit" ? refusal("unknown_event") : undefined);
    for (let n = 0; n < 3; n++) channel.emit("typo:x", n);
    await settle();
    for (let n = 0; n < 3; n++) channel.emit("chat:x", "x".repeat(1_000_000));
    await settle();
    expect(warn.mock.calls).toEqual([[expect.stringContaining("unknown_event")], [expect.stringContaining("chat:x")]]);
  });

  test("a logger is told of each, and the console of none", async () => {
    const warn = vi.spyOn(console, "warn").mockReturnValue();
    s.scene.server.unreachable = true;
    const logger = { warn: vi.fn() };
    const { errors } = joining({ logger });
    await pass(20_000);
    expect(logger.warn.mock.calls).toEqual(errors.map((error) => [error.message, error]));
    expect(warn).not.toHaveBeenCalled();
  });
});

describe("listeners that act at once", () => {
  test.each(["disconnected", "error"] as const)("a disconnect at %s is kept to", async (event) => {
    const { server } = s.scene;
    const client = s.scene.client();
    const channel = await s.scene.joined({}, client);
    channel.on(event, () => {
      client.disconnect();
    });
    server.loseConnects = true;
    server.last.lose();
    await pass(60_000);
    expect([channel.status, server.connections.length]).toEqual(["idle", event === "error" ? 2 : 1]);
  });

  test("a connect at an error connects at once", async () => {
    s.scene.server.unreachable = true;
    const { client, channel } = joining();
    channel.on("error", () => {
      s.scene.server.unreachable = false;
      client.connect();
    });
    await settle();
    await settle();
    expect(channel.status).toBe("joined");
  });
});

describe("the network's return", () => {
  const network = new EventTarget();
  const online = () => {
    vi.stubGlobal("addEventListener", network.addEventListener.bind(network));
  };

  test("ends a wait", async () => {
    online();
    const { server } = s.scene;
    const channel = await s.scene.joined();
    const attempts = told(channel, "reconnecting");
    server.unreachable = true;
    server.last.lose();
    await pass(600_000);
    server.unreachable = false;
    attempts.length = 0;
    network.dispatchEvent(new Event("online"));
    await settle();
    expect([channel.status, attempts.length]).toEqual(["joined", 1]);
    network.dispatchEvent(new Event("online")); // and while connected it does nothing
    await settle();
    expect(server.connections).toHaveLength(2);
  });

  test("begins an attempt again that was made without it", async () => {
    online();
    s.scene.server.silent = true;
    const { channel } = joining();
    await pass(5000);
    s.scene.server.silent = false;
    network.dispatchEvent(new Event("online"));
    await settle();
    expect(channel.status).toBe("joined");
  });

  test("is not heard of by a client that was disconnected", async () => {
    online();
    s.scene.server.unreachable = true;
    const { client } = joining();
    await pass(5000);
    client.disconnect();
    s.scene.server.unreachable = false;
    network.dispatchEvent(new Event("online"));
    await pass(60_000);
    expect(s.scene.server.connections).toHaveLength(0);
  });
});
