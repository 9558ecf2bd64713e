import { describe, expect, test, vi } from "vitest";

import type { PresenceChannel, PresenceEvent } from "../../src/index.js";
import { refusal } from "./fake-server.js";
import { pass, scenes, settle, told } from "./setup.js";

const s = scenes();

describe("a lost connection", () => {
  test("is made anew, and the membership resumed", async () => {
    const channel = await s.scene.joined({ state: { a: 1 } });
    const seen: string[] = [];
    for (const name of ["disconnected", "reconnecting", "connected"] as const) channel.on(name, () => seen.push(`${name} ${channel.status}`));
    s.scene.server.last.lose();
    await pass(2000);
    expect(s.scene.server.named("presence:join").at(-1)?.payload).toMatchObject({ resume: "token-socket-1", state: { a: 1 } });
    expect(channel.self).toMatchObject({ connId: "socket-1", epoch: 2 });
    expect(seen).toEqual(["disconnected reconnecting", "reconnecting reconnecting", "connected joined"]);
  });

  test("is tried for without end, with attempts counted", async () => {
    const channel = await s.scene.joined();
    const attempts = told<{ attempt: number }>(channel, "reconnecting");
    s.scene.server.unreachable = true;
    s.scene.server.last.lose();
    await pass(3_600_000);
    expect(attempts.length).toBeGreaterThan(700);
    expect(attempts.slice(0, 3)).toEqual([{ attempt: 1 }, { attempt: 2 }, { attempt: 3 }]);
    s.scene.server.unreachable = false;
    await pass(10_000);
    expect(channel.status).toBe("joined");
  });

  test("keeps the last known members meanwhile, and tells the difference afterwards", async () => {
    const channel = await s.scene.joined();
    const bob = { type: "join", connId: "b", userId: "bob" };
    s.scene.server.broadcast("r", bob);
    await settle();
    s.scene.server.last.lose();
    const changes = told(channel, "membersChanged");
    expect(channel.members.has("b")).toBe(true);
    s.scene.server.missed("r", { ...bob, type: "leave", state: null, reason: "leave" });
    s.scene.server.missed("r", { ...bob, connId: "c", userId: "cid" });
    await pass(2000);
    expect(changes).toMatchObject([{ joined: [{ connId: "c" }], updated: [{ connId: "socket-1", epoch: 2 }], left: [{ connId: "b" }] }]);
  });

  test("found dead only when something is to be sent: nothing goes out before the next join", async () => {
    const { server } = s.scene;
    server.pingInterval = 25_000;
    const channel = await s.scene.joined({ state: { a: 0 } });
    vi.setSystemTime(Date.now() + 60_000); // the page slept, no timer has fired yet
    const patch = channel.updateState({ a: 1 });
    await pass(2000);
    expect(await patch).toMatchObject({ changed: true });
    expect(server.requests.map(({ event, payload }) => [event, payload.state])).toEqual([
      ["presence:join", { a: 0 }],
      ["presence:join", { a: 1 }],
    ]);
  });

  test("with reconnection switched off stays lost until connect", async () => {
    const client = s.scene.client({ reconnection: false });
    const channel = await s.scene.joined({}, client);
    const losses = told(channel, "disconnected");
    s.scene.server.last.lose();
    await pass(60_000);
    expect([channel.status, losses]).toEqual(["reconnecting", [{ reason: "connection", willReconnect: false }]]);
    client.connect();
    await settle();
    expect(channel.status).toBe("joined");
  });

  test("a first connection that fails for good rejects the join", async () => {
    s.scene.server.unreachable = true;
    const client = s.scene.client({ reconnection: false });
    const join = client.joinRoom({ roomId: "r", userId: "ann" });
    await expect(join).rejects.toMatchObject({ code: "disconnected" });
    const limited = s.scene.client({ reconnectionAttempts: 2 }).joinRoom({ roomId: "r", userId: "ann" });
    const outcome = expect(limited).rejects.toMatchObject({ code: "disconnected" });
    await pass(60_000);
    await outcome;
  });
});

describe("heartbeats", () => {
  test("are sent at the interval, with room and epoch", async () => {
    const channel = await s.scene.joined();
    const acks = told(channel, "heartbeatAck");
    await pass(30_000);
    expect(s.scene.server.named("presence:heartbeat").map((request) => request.payload)).toEqual(Array(3).fill({ roomId: "r", epoch: 1 }));
    expect(acks).toEqual(Array(3).fill({ ok: true, changed: false, epoch: 1, latencyMs: 0 }));
  });

  test("are not needed besides patches", async () => {
    const channel = await s.scene.joined();
    for (let n = 0; n < 10; n++) {
      await pass(5000);
      await channel.updateState({ n });
    }
    expect(s.scene.server.named("presence:heartbeat")).toHaveLength(10);
  });

  test("one speaks for all channels of a client, and each finds out in its turn that it is no member", async () => {
    const client = s.scene.client();
    const channels: PresenceChannel[] = [];
    for (let n = 0; n < 10; n++) {
      channels.push(await s.scene.joined({ roomId: `room ${String(n)}` }, client));
      await pass(100);
    }
    const { server } = s.scene;
    await pass(60_000);
    expect(server.named("presence:heartbeat")).toHaveLength(6);
    const asked = () => server.named("presence:heartbeat").map(({ payload }) => payload.roomId);
    await pass(40_000);
    expect(new Set(asked()).size).toBe(10);
    const [, , , , , , , seventh] = channels;
    if (!seventh) throw new Error("no channel");
    const losses = told(seventh, "disconnected");
    server.room("room 7").sockets.clear(); // and no event says so
    await pass(100_000);
    expect(losses).toEqual([{ reason: "not_joined", willReconnect: true }]);
    expect(channels.map(({ status }) => status)).toEqual(Array(10).fill("joined"));
    channels[0]?.stop();
    server.requests.length = 0;
    await pass(180_000);
    expect(server.named("presence:heartbeat")).toHaveLength(18);
    expect(new Set(asked()).size).toBe(9);
  });

  test("the channel that beats most often sets the pace", async () => {
    const client = s.scene.client();
    await s.scene.joined({ roomId: "slow" }, client);
    const fast = client.createPresenceChannel({ heartbeatIntervalMs: 2000 });
    await fast.join({ roomId: "fast", userId: "ann" });
    await pass(60_000);
    expect(s.scene.server.named("presence:heartbeat").length).toBeLessThanOrEqual(30);
    expect(s.scene.server.named("presence:heartbeat").length).toBeGreaterThanOrEqual(29);
  });

  test("are sent although the clock was set back", async () => {
    await s.scene.joined();
    await pass(5000);
    vi.setSystemTime(Date.now() - 3_600_000);
    await pass(30_000);
    expect(s.scene.server.named("presence:heartbeat").length).toBeGreaterThanOrEqual(3);
  });

  test("a half-open connection of several channels is noticed as soon as that of one", async () => {
    const client = s.scene.client();
    const channels = [await s.scene.joined({}, client), await s.scene.joined({ roomId: "r2" }, client)];
    s.scene.server.last.lose(true);
    await pass(10_000 + 8000 + 8000 + 2000);
    expect(s.scene.server.connections).toHaveLength(2);
    expect(channels.map(({ status }) => status)).toEqual(["joined", "joined"]);
  });

  test("two missed ones in a row, and the connection is made anew without a leave", async () => {
    const channel = await s.scene.joined();
    const { server } = s.scene;
    const losses = told(channel, "disconnected");
    server.last.lose(true); // half-open: nobody is told
    await pass(10_000 + 8000 + 7999);
    expect(losses).toEqual([]);
    await pass(1 + 2000);
    expect(losses).toEqual([{ reason: "connection", willReconnect: true }]);
    expect(channel.status).toBe("joined");
    expect(channel.self?.connId).toBe("socket-1");
    expect(server.named("presence:leave")).toEqual([]);
  });

  test("one missed and one answered is no loss", async () => {
    const channel = await s.scene.joined();
    const losses = told(channel, "disconnected");
    let count = 0;
    s.scene.server.answer = ({ event }) => (event === "presence:heartbeat" && count++ % 2 === 0 ? null : undefined);
    await pass(120_000);
    expect(count).toBeGreaterThan(8);
    expect(losses).toEqual([]);
  });

  test("timers that fire late by a minute do not lose a connection that lives", async () => {
    const channel = await s.scene.joined();
    const { server } = s.scene;
    const losses = told(channel, "disconnected");
    const waiting = server.holdAnswers();
    for (let minute = 0; minute < 5; minute++) {
      // The heartbeat is sent, then the page sleeps; its deadline fires late, before the answer is looked at.
      await pass(10_000);
      vi.setSystemTime(Date.now() + 30_000);
      await pass(8000);
      for (const answer of waiting.splice(0)) answer();
      await settle();
    }
    expect(losses).toEqual([]);
    expect(server.named("presence:heartbeat")).toHaveLength(5);
  });

  test("sendHeartbeat sends one now; with a patch it is one", async () => {
    const channel = await s.scene.joined();
    expect(await channel.sendHeartbeat()).toEqual({ ok: true, changed: false, epoch: 1 });
    expect(await channel.sendHeartbeat({ patchState: { a: 1 } })).toMatchObject({ changed: true });
    await channel.leave();
    await expect(channel.sendHeartbeat()).rejects.toMatchObject({ code: "not_joined" });
    await expect(channel.updateState({})).rejects.toMatchObject({ code: "not_joined" });
  });
});

describe("a membership that the server does not know", () => {
  test.each([
    ["not_joined", refusal("not_joined")],
    ["stale", { ok: true, changed: false, epoch: 9, stale: true }],
  ])("is joined again once after %s, without its token, with what was to be patched", async (reason, answer) => {
    const channel = await s.scene.joined({ state: { a: 0 } });
    const { server } = s.scene;
    const losses = told(channel, "disconnected");
    let wrong = 1;
    server.answer = ({ event }) => (event === "presence:heartbeat" && wrong-- > 0 ? answer : undefined);
    const patches = [channel.updateState({ a: 1 }), channel.updateState({ b: 2 })];
    await settle();
    expect(await Promise.all(patches)).toMatchObject([{ changed: true }, { changed: true }]);
    const joins = server.named("presence:join");
    expect(joins.slice(1).map(({ payload }) => payload)).toEqual([{ roomId: "r", userId: "ann", graceMs: 15_000, state: { a: 1, b: 2 }, sender: true, deltas: true }]);
    expect(losses).toEqual([{ reason, willReconnect: true }]);
  });

  test("is not joined again and again", async () => {
    const channel = await s.scene.joined();
    const { server } = s.scene;
    server.answer = ({ event }) => (event === "presence:heartbeat" ? refusal("not_joined") : undefined);
    void channel.sendHeartbeat();
    await pass(200_000);
    // At once the first time; later after the next heartbeats, ever less often.
    expect(server.named("presence:join").length).toBeLessThan(15);
    server.answer = () => undefined;
    await pass(60_000);
    expect(channel.status).toBe("joined");
  });

  test("kicked it is out at once, whatever the server has still to tell", async () => {
    const { server } = s.scene;
    const channel = await s.scene.joined();
    const losses = told(channel, "disconnected");
    const own = { type: "leave", roomId: "r", userId: "ann", connId: "socket-1", state: null, ts: 1, epoch: 1, userConns: 0 };
    server.last.emit("presence:event", { ...own, reason: "kicked", seq: server.room("r").seq + 9, prev: server.room("r").seq + 8 });
    await settle();
    expect([channel.status, losses]).toEqual(["idle", [{ reason: "kicked", willReconnect: false }]]);
    expect(server.named("presence:sync").filter(({ payload }) => payload.seq === undefined)).toEqual([]);
  });

  test("changes that come together are told one by one, and a gap before them is closed", async () => {
    const { server } = s.scene;
    const channel = await s.scene.joined();
    const events = told<PresenceEvent>(channel, "presenceEvent");
    const base = { userId: "bob", ts: 1, epoch: 1, userConns: 1, status: "online" };
    const total = { members: 2, users: 2 };
    const { seq } = server.room("r");
    const join = { ...base, type: "join", connId: "b", state: { n: 1, k: 1 }, seq: seq + 1 };
    const update = { ...base, type: "update", connId: "b", patch: { n: 2 }, removed: ["k"], seq: seq + 3 };
    server.last.emit("presence:events", { roomId: "r", seq: seq + 3, prev: seq, ts: 1, total, events: [join, update] });
    server.last.emit("presence:events", { roomId: "elsewhere", seq: seq + 4, prev: seq + 3, ts: 1, total, events: [join] });
    await settle();
    expect(events.map(({ type, state }) => [type, state])).toEqual([
      ["join", { n: 1, k: 1 }],
      ["update", { n: 2 }],
    ]);
    expect(channel.members.get("b")?.state).toEqual({ n: 2 });
    server.last.emit("presence:events", { roomId: "r", seq: seq + 9, prev: seq + 8, ts: 1, total, events: [{ ...update, seq: seq + 9 }] });
    await settle();
    expect(server.named("presence:sync").filter(({ payload }) => payload.seq === undefined)).toHaveLength(1);
  });

  test("removed by the server it joins again; kicked it does not", async () => {
    const channel = await s.scene.joined();
    const { server } = s.scene;
    const own = { connId: "socket-1", userId: "ann", type: "leave", state: null };
    server.broadcast("r", { ...own, reason: "node_lost" });
    await settle();
    expect(server.named("presence:join")).toHaveLength(2);
    expect(channel.status).toBe("joined");

    const losses = told(channel, "disconnected");
    server.broadcast("r", { ...own, reason: "kicked" });
    await pass(60_000);
    expect([channel.status, channel.members.size]).toEqual(["idle", 0]);
    expect(channel.getSnapshot().error?.message).toBe("The server removed this member from the room.");
    expect(losses).toEqual([{ reason: "kicked", willReconnect: false }]);
    expect(server.named("presence:join")).toHaveLength(2);
  });

  test("a disconnect packet of the server is a kick", async () => {
    const channel = await s.scene.joined();
    const losses = told(channel, "disconnected");
    s.scene.server.last.send("1");
    await pass(60_000);
    expect([channel.status, losses]).toEqual(["idle", [{ reason: "kicked", willReconnect: false }]]);
    expect(s.scene.server.connections).toHaveLength(1);
  });
});

describe("leaving", () => {
  test("tells the server, empties the list, and rejects what waits", async () => {
    const channel = await s.scene.joined();
    s.scene.server.answer = ({ event }) => (event === "presence:heartbeat" ? null : undefined);
    const patch = channel.updateState({ a: 1 });
    await channel.leave();
    await expect(patch).rejects.toMatchObject({ code: "left" });
    expect(s.scene.server.named("presence:leave").map(({ payload }) => payload)).toEqual([{ roomId: "r" }]);
    expect([channel.status, channel.members.size, channel.self]).toEqual(["idle", 0, undefined]);
    await channel.join({ roomId: "r", userId: "ann" });
    expect(channel.status).toBe("joined");
  });

  test("while joining rejects the join", async () => {
    const channel = s.scene.client().createPresenceChannel();
    s.scene.server.answer = ({ event }) => (event === "presence:join" ? null : undefined);
    const join = channel.join({ roomId: "r", userId: "ann" });
    await settle();
    await channel.leave();
    await expect(join).rejects.toMatchObject({ code: "left" });
    expect(s.scene.server.named("presence:leave")).toHaveLength(1);
  });

  test("stop leaves and ends everything", async () => {
    const client = s.scene.client();
    const channel = await s.scene.joined({}, client);
    let calls = 0;
    channel.subscribe(() => calls++);
    channel.stop();
    channel.stop();
    calls = 0;
    await settle();
    expect(vi.getTimerCount()).toBe(1); // the transport's own ping timeout
    s.scene.server.last.emit("presence:event", { roomId: "r", type: "join", connId: "b", userId: "bob", state: {}, seq: 9e15, prev: 0 });
    await settle();
    expect([channel.status, calls, s.scene.server.named("presence:leave").length]).toEqual(["stopped", 0, 1]);
    await expect(channel.join({ roomId: "r", userId: "ann" })).rejects.toMatchObject({ code: "left" });
  });

  test("disconnect leaves every room; a later connect joins none by itself", async () => {
    const client = s.scene.client();
    const channel = await s.scene.joined({}, client);
    client.disconnect();
    expect(channel.status).toBe("idle");
    client.connect();
    await settle();
    expect(s.scene.server.named("presence:join")).toHaveLength(1);
    expect(client.isConnected()).toBe(true);
  });
});

describe("authentication", () => {
  test("asks the provider at every connection", async () => {
    let token = 0;
    await s.scene.joined({}, s.scene.client({ authProvider: () => Promise.resolve({ token: ++token }) }));
    s.scene.server.last.lose();
    await pass(2000);
    expect(s.scene.server.connections.map(({ auth }) => auth)).toEqual([{ token: 1 }, { token: 2 }]);
  });

  test("a provider that throws is told, and asked again", async () => {
    let calls = 0;
    const authProvider = () => {
      if (++calls < 3) throw new Error("no network");
      return {};
    };
    const channel = s.scene.client({ authProvider }).createPresenceChannel();
    const errors = told(channel, "error");
    void channel.join({ roomId: "r", userId: "ann" });
    await pass(10_000);
    expect(errors).toMatchObject([{ code: "auth_failed", cause: { message: "no network" } }, { code: "auth_failed" }]);
    expect(channel.status).toBe("joined");
  });

  test("a connection that the server refuses is tried again", async () => {
    s.scene.server.refuseConnect = "token expired";
    const channel = s.scene.client().createPresenceChannel();
    const errors = told(channel, "error");
    void channel.join({ roomId: "r", userId: "ann" });
    await settle();
    expect(errors).toMatchObject([{ code: "refused", message: "token expired" }]);
    await pass(600);
    s.scene.server.refuseConnect = undefined;
    await pass(10_000);
    expect(channel.status).toBe("joined");
  });
});

describe("several channels on one client", () => {
  test("each follows its own room", async () => {
    const client = s.scene.client();
    const first = await s.scene.joined({ roomId: "one" }, client);
    const second = await s.scene.joined({ roomId: "two" }, client);
    s.scene.server.broadcast("two", { type: "join", connId: "b", userId: "bob" });
    await settle();
    expect([first.members.size, second.members.size]).toEqual([1, 2]);
    s.scene.server.last.lose();
    await pass(2000);
    expect([first.status, second.status, s.scene.server.connections.length]).toEqual(["joined", "joined", 2]);
    first.stop();
    await settle();
    expect(second.status).toBe("joined");
  });
});

describe("custom events", () => {
  test("go to the channel's room, and come from it or from the server", async () => {
    const client = s.scene.client();
    const first = await s.scene.joined({ roomId: "one" }, client);
    const second = await s.scene.joined({ roomId: "two" }, client);
    const heard = [told(first, "chat"), told(second, "chat")];
    first.emit("chat", { text: "hi" }, 5);
    await settle();
    expect(s.scene.server.named("presence:emit")[0]?.args).toEqual([{ roomId: "one", event: "chat", args: [{ text: "hi" }, 5] }]);
    s.scene.server.last.emit("chat", { roomId: "two", text: "x" });
    s.scene.server.last.emit("chat", "to all");
    await settle();
    expect(heard).toEqual([["to all"], [{ roomId: "two", text: "x" }, "to all"]]);
  });

  test("cannot pass for the channel's own", async () => {
    const channel = await s.scene.joined();
    const heard = [told(channel, "error"), told(channel, "membersChanged")];
    s.scene.server.last.emit("error", { roomId: "r" });
    s.scene.server.last.emit("membersChanged", { roomId: "r" });
    await settle();
    expect(heard).toEqual([[], []]);
  });

  test("wait while the room is not joined, and are sent after the join, in order", async () => {
    const channel = await s.scene.joined();
    const { server } = s.scene;
    server.last.lose();
    channel.emit("chat", { n: 1 });
    const ack = channel.emitWithAck("chat", { n: 2 });
    await pass(2000);
    expect(await ack).toEqual({ ok: true });
    expect(server.requests.slice(-3).map(({ event, payload }) => [event, payload.args])).toEqual([
      ["presence:join", undefined],
      ["presence:emit", [{ n: 1 }]],
      ["presence:emit", [{ n: 2 }]],
    ]);
  });

  test("are acknowledged to callbacks and promises, in time or not", async () => {
    const channel = await s.scene.joined();
    const { server } = s.scene;
    const got: unknown[] = [];
    const yes = { ok: true };
    server.answer = ({ payload }) => (payload.event === "silence" ? null : undefined);
    channel.emit("ask", {}, (answer: unknown) => got.push(answer));
    channel.timeout(500).emit("ask", {}, (error: unknown, answer: unknown) => got.push([error, answer]));
    channel.timeout(500).emit("silence", {}, (error: unknown) => got.push((error as Error).message));
    const late = expect(channel.timeout(400).emitWithAck("silence", {})).rejects.toMatchObject({ code: "timeout" });
    const lost = expect(channel.emitWithAck("silence", {})).rejects.toMatchObject({ code: "disconnected" });
    await pass(500);
    await late;
    expect(got).toEqual([yes, [null, yes], "silence was not acknowledged within 500 ms."]);
    server.last.lose();
    await lost;
    const offline = expect(channel.timeout(10).emitWithAck("never", {})).rejects.toMatchObject({ code: "timeout" });
    const left = expect(channel.emitWithAck("never", {})).rejects.toMatchObject({ code: "left" });
    await pass(10);
    await offline;
    void channel.leave();
    await left;
    await pass(5000);
    expect(server.named("presence:emit").filter(({ payload }) => payload.event === "never")).toEqual([]);
    expect(() => {
      channel.emit("never");
    }).toThrow("in no room");
  });

  test("of the connection go through the client", async () => {
    const client = s.scene.client();
    client.connect();
    await settle();
    const { server } = s.scene;
    server.answer = ({ event }) => (event === "ask" ? "yes" : null);
    const got: unknown[] = [];
    const end = client.on("news", (...args) => got.push(args));
    server.last.emit("news", 1, 2);
    client.emit("ask", (answer: unknown) => got.push(answer));
    await settle();
    end();
    server.last.emit("news", 3);
    expect(await client.emitWithAck("ask", 1)).toBe("yes");
    expect(await client.timeout(10).emitWithAck("ask", 1)).toBe("yes");
    const late = expect(client.timeout(10).emitWithAck("silence")).rejects.toThrow();
    await pass(10);
    await late;
    expect(got).toEqual([[1, 2, null], "yes"]);
  });
});

test("a listener that throws disturbs nobody", async () => {
  const channel = await s.scene.joined();
  const thrown: unknown[] = [];
  const catcher = (error: unknown) => thrown.push(error);
  process.once("uncaughtException", catcher);
  channel.on("presenceEvent", () => {
    throw new Error("mine");
  });
  const events = told(channel, "presenceEvent");
  s.scene.server.broadcast("r", { type: "join", connId: "b", userId: "bob" });
  await settle();
  expect([channel.members.size, events.length]).toEqual([2, 1]);
  vi.useRealTimers();
  await new Promise((resolve) => setTimeout(resolve));
  expect(thrown).toEqual([new Error("mine")]);
  vi.useFakeTimers();
});

test("promises that nobody looks at are never unhandled rejections, also in no room", async () => {
  const channel = s.scene.client().createPresenceChannel();
  const errors = told<Error & { code: string }>(channel, "error");
  void channel.updateState({ a: 1 });
  void channel.deleteState(["a"]);
  void channel.sendHeartbeat();
  void channel.join({ roomId: 1n as never, userId: "ann" });
  await settle(); // an unhandled rejection fails the run
  expect(errors.map(({ code }) => code)).toEqual(["not_joined", "not_joined", "not_joined", "invalid_payload"]);
  expect(channel.status).toBe("idle");
});

test("a logger that throws disturbs nobody", async () => {
  const { server } = s.scene;
  const thrown: unknown[] = [];
  process.once("uncaughtException", (error) => thrown.push(error));
  const client = s.scene.client({
    logger: {
      warn: () => {
        throw new Error("no disk");
      },
    },
  });
  server.refuseConnect = "down";
  server.refuseData = { code: "unavailable" };
  const channels = ["r", "r2"].map((roomId) => {
    const channel = client.createPresenceChannel();
    void channel.join({ roomId, userId: "ann" });
    return channel;
  });
  const errors = channels.map((channel) => told(channel, "error"));
  await settle();
  expect(errors.map((list) => list.length)).toEqual([1, 1]);
  server.refuseConnect = undefined;
  await pass(2000);
  expect(channels.map(({ status }) => status)).toEqual(["joined", "joined"]);
  expect(thrown).toEqual([new Error("no disk")]);
});

test("patches that travel in a join are not sent again while its answer is late", async () => {
  const { server } = s.scene;
  const release: (() => void)[] = [];
  server.answer = (request) => {
    if (request.event !== "presence:join") return undefined;
    const answer = server.carryOut(request);
    release.push(() => {
      request.ack(answer);
    });
    return null;
  };
  const channel = s.scene.client().createPresenceChannel();
  void channel.join({ roomId: "r", userId: "ann", state: {} });
  const patch = channel.updateState({ a: 1 });
  await pass(9000);
  release[0]?.();
  await settle();
  expect(await patch).toMatchObject({ changed: true });
  expect(channel.status).toBe("joined");
  expect(server.named("presence:heartbeat")).toEqual([]);
});
