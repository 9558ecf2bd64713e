import { describe, expect, test } from "vitest";

import { type DefaultState, RealtimeError } from "../../src/index.js";
import { refusal } from "./fake-server.js";
import { pass, scenes, settle, told } from "./setup.js";

const s = scenes();
const bob = { type: "join", connId: "b", userId: "bob", state: { n: 1 } };

describe("joining", () => {
  test("connects, sends what was asked for and answers with the snapshot", async () => {
    s.scene.server.broadcast("r", bob);
    const { channel, response } = await s.scene.client().joinRoom({ roomId: "r", userId: "ann", state: { a: 1 } });
    expect(s.scene.server.named("presence:join")[0]?.payload).toEqual({ roomId: "r", userId: "ann", state: { a: 1 }, graceMs: 15_000, sender: true, deltas: true });
    expect(response.resumed).toBe(false);
    expect([...channel.members.keys()]).toEqual(["b", "socket-1"]);
    expect(channel.self).toMatchObject({ connId: "socket-1", userId: "ann", state: { a: 1 }, status: "online" });
    expect(channel.users.get("bob")?.members.map((member) => member.connId)).toEqual(["b"]);
  });

  test("holds back events until the ack is handled, and drops those it contains", async () => {
    s.scene.server.answer = ({ event, connection }) => {
      if (event !== "presence:join") return undefined;
      const base = { roomId: "r", userId: "bob", ts: 1, epoch: 1, userConns: 1, status: "online" };
      connection.emit("presence:event", { ...base, type: "join", connId: "b", state: { old: true }, seq: 5, prev: 4 });
      connection.emit("presence:event", { ...base, type: "update", connId: "b", state: { new: true }, seq: 7, prev: 6 });
      const snapshot = [{ connId: "b", userId: "bob", state: {}, epoch: 1, status: "online", joinedMs: 1, lastSeenMs: 1 }];
      return { ok: true, snapshot, self: { connId: "a", epoch: 1 }, seq: 6, resumed: false };
    };
    const channel = s.scene.client().createPresenceChannel();
    const events = told(channel, "presenceEvent");
    await channel.join({ roomId: "r", userId: "ann" });
    expect(channel.members.get("b")?.state).toEqual({ new: true });
    expect(events).toHaveLength(1);
  });

  test.each(["forbidden", "invalid_payload", "too_many_rooms", "unauthorized"] as const)("rejects when refused with %s", async (code) => {
    s.scene.server.answer = () => refusal(code);
    const channel = s.scene.client().createPresenceChannel();
    const errors = told<RealtimeError>(channel, "error");
    await expect(channel.join({ roomId: "r", userId: "ann" })).rejects.toMatchObject({ name: "RealtimeError", code });
    expect(channel.status).toBe("idle");
    expect(errors.map((error) => error.code)).toEqual([code]);
    await pass(60_000);
    expect(s.scene.server.named("presence:join")).toHaveLength(1);
  });

  test("tries again, ever less often, when the server cannot now", async () => {
    let refusals = 3;
    s.scene.server.answer = () => (refusals-- > 0 ? refusal("unavailable") : undefined);
    const channel = s.scene.client().createPresenceChannel();
    void channel.join({ roomId: "r", userId: "ann" });
    await settle();
    expect(channel.status).toBe("joining");
    await pass(500 + 1000);
    expect(channel.status).toBe("joining");
    await pass(2000);
    expect(channel.status).toBe("joined");
  });

  test("waits as long as rate_limited says", async () => {
    let refused = false;
    s.scene.server.answer = () => (refused ? undefined : ((refused = true), refusal("rate_limited", { retryAfterMs: 7000 })));
    const channel = s.scene.client().createPresenceChannel();
    void channel.join({ roomId: "r", userId: "ann" });
    await pass(6999);
    expect(channel.status).toBe("joining");
    await pass(1);
    expect(channel.status).toBe("joined");
  });

  test("one room, one channel of a client; leaving frees it", async () => {
    const client = s.scene.client();
    const first = await s.scene.joined({}, client);
    const second = client.createPresenceChannel();
    await expect(second.join({ roomId: "r", userId: "zoe" })).rejects.toMatchObject({ code: "in_use" });
    await expect(first.join({ roomId: "other", userId: "ann" })).rejects.toMatchObject({ code: "in_use" });
    await first.leave();
    await second.join({ roomId: "r", userId: "zoe" });
    expect(second.status).toBe("joined");
  });

  test("a lost answer to a join is not waited for without end", async () => {
    let lost = false;
    s.scene.server.answer = () => (lost ? undefined : ((lost = true), null));
    const channel = s.scene.client().createPresenceChannel();
    void channel.join({ roomId: "r", userId: "ann" });
    await pass(16_000 + 2000);
    expect(channel.status).toBe("joined");
    expect(s.scene.server.connections).toHaveLength(2);
  });
});

describe("the member list", () => {
  test("follows the events and tells what is different", async () => {
    const channel = await s.scene.joined();
    const changes = told(channel, "membersChanged");
    s.scene.server.broadcast("r", bob);
    await settle();
    const before = channel.getSnapshot();
    expect(channel.getSnapshot()).toBe(before);
    s.scene.server.broadcast("r", { ...bob, type: "update", state: { n: 2 } });
    await settle();
    expect(channel.getSnapshot()).not.toBe(before);
    expect(before.members.get("b")?.state).toEqual({ n: 1 });
    s.scene.server.broadcast("r", { ...bob, type: "leave", state: null, reason: "leave" });
    await settle();
    expect(channel.members.size).toBe(1);
    expect(changes).toMatchObject([
      { joined: [{ connId: "b" }], updated: [], left: [] },
      { joined: [], updated: [{ state: { n: 2 } }], left: [] },
      { joined: [], updated: [], left: [{ connId: "b" }] },
    ]);
  });

  test("closes a gap with one sync and applies what came meanwhile", async () => {
    const channel = await s.scene.joined();
    const { server } = s.scene;
    const snapshots = told(channel, "snapshot");
    const release: (() => void)[] = [];
    server.answer = (request) => {
      if (request.event !== "presence:sync") return undefined;
      const answer = server.carryOut(request);
      release.push(() => {
        request.ack(answer);
      });
      return null;
    };
    server.missed("r", bob);
    server.broadcast("r", { ...bob, type: "update", state: { n: 2 } });
    server.broadcast("r", { ...bob, type: "update", state: { n: 3 } });
    await settle();
    expect(channel.members.has("b")).toBe(false);
    server.broadcast("r", { ...bob, type: "update", state: { n: 4 } });
    expect(release).toHaveLength(1);
    release[0]?.();
    await settle();
    expect(channel.members.get("b")?.state).toEqual({ n: 4 });
    expect(server.named("presence:sync")).toHaveLength(1);
    expect(snapshots).toHaveLength(1);
  });

  test("says after the first join of each connection that it can, once", async () => {
    const client = s.scene.client();
    const channel = await s.scene.joined({}, client);
    await s.scene.joined({ roomId: "r2" }, client);
    const { server } = s.scene;
    const said = () => server.healers.map(({ connection, payload }) => [connection.id, payload]);
    expect(said()).toEqual([["socket-1", { roomId: "r", seq: 1001 }]]);
    expect(server.wire.findIndex((packet) => packet.includes("presence:join"))).toBeLessThan(server.wire.findIndex((packet) => packet.includes("presence:sync")));
    server.last.lose();
    await pass(2000);
    expect(channel.status).toBe("joined");
    expect(said()).toHaveLength(2);
    expect(said()[1]?.[0]).toBe("socket-2");
  });

  test("takes nothing from the answer to that: what follows the join comes as events", async () => {
    const { server } = s.scene;
    const channel = s.scene.client().createPresenceChannel();
    const changes = told(channel, "membersChanged");
    const snapshots = told(channel, "snapshot");
    channel.on("connected", () => server.broadcast("r", bob)); // before the server has read the sync
    void channel.join({ roomId: "r", userId: "ann" });
    await settle();
    expect(channel.members.has("b")).toBe(true);
    expect(snapshots).toHaveLength(1);
    expect(changes).toHaveLength(2);
    expect(server.named("presence:sync")).toEqual([]);
  });

  test("a sync that is refused, or does not close the gap, is repeated later", async () => {
    const channel = await s.scene.joined();
    const { server } = s.scene;
    let count = 0;
    server.answer = (request) => {
      if (request.event !== "presence:sync") return undefined;
      count++;
      if (count === 1) return refusal("unavailable");
      return count === 2 ? { ok: true, seq: 1001, snapshot: [] } : undefined;
    };
    server.missed("r", bob);
    server.broadcast("r", { ...bob, type: "update", state: { n: 2 } });
    await settle();
    expect(count).toBe(1);
    await pass(500);
    expect(count).toBe(2);
    await pass(1000);
    expect(count).toBe(3);
    expect(channel.members.get("b")?.state).toEqual({ n: 2 });
    await pass(5000);
    expect(count).toBe(3);
  });

  test("users hold all their connections; away only if all are", async () => {
    const channel = await s.scene.joined();
    s.scene.server.broadcast("r", bob);
    s.scene.server.broadcast("r", { ...bob, connId: "b2" });
    s.scene.server.broadcast("r", { ...bob, type: "update", status: "away" });
    await settle();
    expect(channel.users.get("bob")).toMatchObject({ status: "online", members: [{ connId: "b" }, { connId: "b2" }] });
    s.scene.server.broadcast("r", { ...bob, connId: "b2", type: "update", status: "away" });
    await settle();
    expect(channel.users.get("bob")?.status).toBe("away");
  });

  test("members and users keep their order over reconnects, gaps and changes", async () => {
    const { server } = s.scene;
    server.broadcast("r", { ...bob, connId: "z", userId: "zoe", ts: 1000 });
    server.broadcast("r", { ...bob, connId: "b2", userId: "bob", ts: 2000 });
    server.broadcast("r", { ...bob, connId: "b1", userId: "bea", ts: 2000 }); // in the same millisecond
    const channel = await s.scene.joined();
    const order = () => [[...channel.members.keys()], [...channel.users.keys()]];
    const expected = [["z", "b1", "b2", "socket-1"], ["zoe", "bea", "bob", "ann"]];
    expect(order()).toEqual(expected);
    server.answer = (request) => {
      const answer = server.carryOut(request) as { snapshot?: unknown[] };
      return { ...answer, ...(answer.snapshot && { snapshot: [...answer.snapshot].reverse() }) };
    };
    server.last.lose();
    await pass(2000);
    expect(order()).toEqual(expected);
    server.missed("r", { ...bob, connId: "z", userId: "zoe", ts: 1000, type: "update" });
    server.broadcast("r", { ...bob, connId: "z", userId: "zoe", ts: 1000, type: "update" });
    await settle();
    expect(order()).toEqual(expected);
    server.broadcast("r", { ...bob, connId: "b1", userId: "bea", ts: 3000, epoch: 2 }); // joins once more
    server.broadcast("r", { ...bob, connId: "first", userId: "fay", ts: 500 }); // by a server whose clock is behind
    await settle();
    expect(order()).toEqual([["first", "z", "b1", "b2", "socket-1"], ["fay", "zoe", "bea", "bob", "ann"]]);
  });

  test("subscribers are called at each change until they unsubscribe", async () => {
    const channel = await s.scene.joined();
    let calls = 0;
    const end = channel.subscribe(() => calls++);
    s.scene.server.broadcast("r", bob);
    await settle();
    expect(calls).toBe(1);
    end();
    s.scene.server.broadcast("r", { ...bob, type: "update" });
    await settle();
    expect(calls).toBe(1);
  });
});

describe("the own state", () => {
  test("shows a patch at once, and never the old value again", async () => {
    const channel = await s.scene.joined({ state: { a: 0, b: 0 } });
    const { server } = s.scene;
    const seen: unknown[] = [];
    channel.subscribe(() => seen.push(channel.self?.state.a));
    let event: (() => void) | undefined;
    server.answer = ({ payload, connection }) => {
      if (!payload.patchState) return undefined;
      const room = server.room("r");
      const change = { type: "update", roomId: "r", connId: "socket-1", userId: "ann", ts: 1, epoch: 1, userConns: 1, status: "online" };
      const seq = room.seq + 1;
      event = () => {
        connection.emit("presence:event", { ...change, state: { a: 1, b: 0 }, seq, prev: seq - 1 });
      };
      return { ok: true, changed: true, epoch: 1, seq };
    };
    await channel.updateState({ a: 1 }); // acknowledged before its event comes
    expect(channel.self?.state).toEqual({ a: 1, b: 0 });
    event?.();
    await settle();
    expect(channel.self?.state).toEqual({ a: 1, b: 0 });
    expect(new Set(seen)).toEqual(new Set([1]));
  });

  test("a refused patch is taken back", async () => {
    const channel = await s.scene.joined({ state: { a: 0 } });
    s.scene.server.answer = ({ payload }) => (payload.patchState ? refusal("state_too_large") : undefined);
    const patch = channel.updateState({ a: "x" });
    expect(channel.self?.state).toEqual({ a: "x" });
    await expect(patch).rejects.toMatchObject({ code: "state_too_large" });
    expect(channel.self?.state).toEqual({ a: 0 });
  });

  test("patches faster than the wire go together, one in flight, the latest of a key winning", async () => {
    const channel = await s.scene.joined();
    const { server } = s.scene;
    const waiting = server.holdAnswers();
    const patches = [1, 2, 3, 4].map((n) => channel.updateState({ n, [`k${String(n)}`]: n }));
    const sent = () => server.named("presence:heartbeat").map((request) => request.payload.patchState);
    expect(sent()).toEqual([{ n: 1, k1: 1 }]);
    expect(channel.self?.state).toEqual({ n: 4, k1: 1, k2: 2, k3: 3, k4: 4 });
    waiting.shift()?.();
    await settle();
    expect(sent().slice(1)).toEqual([{ n: 4, k2: 2, k3: 3, k4: 4 }]);
    waiting.shift()?.();
    expect(await Promise.all(patches)).toHaveLength(4);
    expect(server.room("r").members.get("socket-1")?.state).toEqual({ n: 4, k1: 1, k2: 2, k3: 3, k4: 4 });
  });

  test("a patch that the store did not take is sent again with what came since", async () => {
    const channel = await s.scene.joined();
    let refused = false;
    s.scene.server.answer = ({ payload }) => (!refused && payload.patchState ? ((refused = true), refusal("unavailable")) : undefined);
    const first = channel.updateState({ a: 1, b: 1 });
    await settle();
    const second = channel.updateState({ a: 2 });
    expect(channel.self?.state).toEqual({ a: 2, b: 1 });
    await pass(500);
    expect(await Promise.all([first, second])).toMatchObject([{ changed: true }, { changed: true }]);
    expect(s.scene.server.named("presence:heartbeat").map(({ payload }) => payload.patchState)).toEqual([{ a: 1, b: 1 }, { a: 2, b: 1 }]);
  });

  test("patches made offline travel in the next join, once", async () => {
    const channel = await s.scene.joined({ state: { a: 0 } });
    const { server } = s.scene;
    server.unreachable = true;
    server.last.lose();
    const patches = [channel.updateState({ a: 1, b: 1 }), channel.updateState({ a: 2 })];
    expect(channel.status).toBe("reconnecting");
    expect(channel.self?.state).toEqual({ a: 2, b: 1 });
    await pass(10_000);
    server.unreachable = false;
    await pass(8000);
    expect(await Promise.all(patches)).toHaveLength(2);
    expect(server.named("presence:join").map(({ payload }) => [payload.resume, payload.state])).toEqual([
      [undefined, { a: 0 }],
      ["token-socket-1", { a: 2, b: 1 }],
    ]);
    expect(server.named("presence:heartbeat")).toEqual([]);
  });

  test("a patch in flight when the connection went travels in the next join", async () => {
    const channel = await s.scene.joined({ state: { a: 0 } });
    const { server } = s.scene;
    server.answer = ({ event }) => (event === "presence:heartbeat" ? null : undefined);
    const patch = channel.updateState({ a: 1 });
    server.last.lose();
    await pass(2000);
    expect(await patch).toMatchObject({ changed: true });
    expect(server.named("presence:join").at(-1)?.payload.state).toEqual({ a: 1 });
  });

  test("a patch that was not answered in time is sent again, and a late answer to the first means nothing", async () => {
    const channel = await s.scene.joined();
    const { server } = s.scene;
    const late: (() => void)[] = [];
    server.answer = (request) => {
      if (late.length > 0) return undefined;
      late.push(() => {
        request.ack(refusal("internal"));
      });
      return null;
    };
    const patch = channel.updateState({ a: 1 });
    await pass(8000);
    late[0]?.();
    expect(await patch).toMatchObject({ changed: true });
    expect(server.named("presence:heartbeat").map(({ payload }) => payload.patchState)).toEqual([{ a: 1 }, { a: 1 }]);
    expect(server.connections).toHaveLength(1);
  });

  test("patches too large to join with are refused, and the room is kept", async () => {
    const channel = await s.scene.joined({ state: { a: 0 } });
    const { server } = s.scene;
    server.answer = ({ payload }) => ((payload.state as { big?: 1 } | undefined)?.big ? refusal("state_too_large") : undefined);
    server.last.lose();
    const patch = channel.updateState({ big: 1 });
    const outcome = expect(patch).rejects.toMatchObject({ code: "state_too_large" });
    await pass(2000);
    await outcome;
    expect([channel.status, channel.self?.state]).toEqual(["joined", { a: 0 }]);
  });

  test("a key is deleted at once, with what else waits, and the last change of it holds", async () => {
    const channel = await s.scene.joined({ state: { a: 1, b: 1, c: 1 } });
    const { server } = s.scene;
    const first = channel.deleteState(["a"]);
    expect(channel.self?.state).toEqual({ b: 1, c: 1 });
    const others = [channel.updateState({ b: 2, d: 1 }), channel.deleteState(["b", "c"]), channel.updateState({ c: 3 })];
    expect(channel.self?.state).toEqual({ c: 3, d: 1 });
    await Promise.all([first, ...others]);
    expect(channel.self?.state).toEqual({ c: 3, d: 1 });
    expect(server.room("r").members.get("socket-1")?.state).toEqual({ c: 3, d: 1 });
    expect(server.named("presence:heartbeat").map(({ payload }) => [payload.patchState, payload.removeState])).toEqual([
      [{}, ["a"]],
      [{ c: 3, d: 1 }, ["b"]],
    ]);
  });

  test("a key deleted offline is missing in the state of the next join", async () => {
    const channel = await s.scene.joined({ state: { a: 1, b: 1 } });
    const { server } = s.scene;
    server.last.lose();
    const done = channel.deleteState(["a"]);
    await pass(2000);
    await done;
    expect(server.named("presence:join").at(-1)?.payload.state).toEqual({ b: 1 });
    expect(server.named("presence:heartbeat")).toEqual([]);
  });

  test("a refused deletion is taken back", async () => {
    const channel = await s.scene.joined({ state: { a: 1 } });
    s.scene.server.answer = ({ payload }) => (payload.removeState ? refusal("forbidden") : undefined);
    await expect(channel.deleteState(["a"])).rejects.toMatchObject({ code: "forbidden" });
    expect(channel.self?.state).toEqual({ a: 1 });
  });

  const circle: Record<string, unknown> = {};
  circle.self = circle;
  test.each<[string, object]>([
    ["a BigInt", { n: 1n }],
    ["a circle", circle],
    ["a toJSON that throws", { at: { toJSON: () => JSON.parse("{") as unknown } }],
    ["a function", { call: () => 1 }],
    ["a function deep inside", { list: [{ call: () => 1 }] }],
    ["a symbol", { sign: Symbol("s") }],
    ["a function as patch", () => 1],
    ["a list as patch", [1]],
    ["text as patch", "text" as unknown as object],
    ["null as patch", null as unknown as object],
  ])("%s is refused, told, and changes nothing", async (_, patch) => {
    const channel = await s.scene.joined({ state: { a: 1 } });
    const errors = told<RealtimeError>(channel, "error");
    await expect(channel.updateState(patch)).rejects.toMatchObject({ name: "RealtimeError", code: "invalid_payload" });
    void channel.updateState(patch); // nobody looks: no unhandled rejection
    await settle();
    expect(errors).toMatchObject([{ code: "invalid_payload" }, { code: "invalid_payload" }]);
    expect([channel.self?.state, channel.status, channel.error]).toEqual([{ a: 1 }, "joined", undefined]);
    expect(s.scene.server.named("presence:heartbeat")).toEqual([]);

    const other = s.scene.client().createPresenceChannel();
    if (Object.is(patch, null)) return; // joins without a state
    await expect(other.join({ roomId: "r2", userId: "ann", state: patch as DefaultState })).rejects.toMatchObject({ code: "invalid_payload" });
    expect([other.status, other.error?.code]).toEqual(["idle", "invalid_payload"]);
  });

  test("keys to delete that are none are refused", async () => {
    const channel = await s.scene.joined();
    for (const keys of ["a", undefined] as never[]) {
      await expect(channel.deleteState(keys)).rejects.toMatchObject({ code: "invalid_payload" });
    }
  });

  test("the own member is the same object while only others change", async () => {
    const channel = await s.scene.joined({ state: { a: 1 } });
    s.scene.server.answer = ({ event }) => (event === "presence:heartbeat" ? null : undefined);
    void channel.updateState({ a: 2 });
    const { self } = channel;
    s.scene.server.broadcast("r", bob);
    await settle();
    expect([channel.members.size, channel.self === self, self?.state]).toEqual([2, true, { a: 2 }]);
  });

  test("is a copy in JSON: later changes of the object given are not seen", async () => {
    const channel = await s.scene.joined();
    const given: DefaultState = { list: [1], at: new Date(0), nothing: undefined };
    await channel.updateState(given);
    (given.list as number[]).push(2);
    expect(channel.self?.state).toEqual({ list: [1], at: "1970-01-01T00:00:00.000Z" });
  });
});
