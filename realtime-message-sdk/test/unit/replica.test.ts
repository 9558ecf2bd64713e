import { readFileSync } from "node:fs";

import { describe, expect, test } from "vitest";

import { PatchQueue } from "../../src/patches.js";
import type { DefaultState, HeartbeatResponse, Member, PresenceBatch, PresenceEvent, Refusal } from "../../src/protocol.js";
import { Replica } from "../../src/replica.js";
import { scenes, settle, told } from "./setup.js";

// The same files that the server's tests read.
function golden<T>(name: string): T[] {
  return JSON.parse(readFileSync(new URL(`../../../presence/testdata/wire/${name}.json`, import.meta.url), "utf8")) as T[];
}

function event(seq: number, connId = "c", more: object = {}): PresenceEvent {
  const base = { type: "join", roomId: "r", userId: "u", connId, state: {}, ts: 1, epoch: 1, userConns: 1, status: "online" };
  return { ...base, seq, ...more } as PresenceEvent;
}

describe("a replica", () => {
  test("applies what follows, folded or not, and drops what is old", () => {
    const replica = new Replica<DefaultState>();
    replica.load(5, []);
    const seqs = (list: PresenceEvent[]) => list.map(({ seq }) => seq);
    expect(seqs(replica.receive(event(6)))).toEqual([6]); // prev left out: 5
    expect(seqs(replica.receive(event(6)))).toEqual([]);
    expect(seqs(replica.receive(event(3, "x", { prev: 2 })))).toEqual([]);
    expect(seqs(replica.receive(event(10, "d", { prev: 6 })))).toEqual([10]);
    expect(seqs(replica.receive(event(12, "e", { prev: 4 })))).toEqual([12]);
    expect(replica.gap).toBe(false);
    expect([...replica.members.keys()]).toEqual(["c", "d", "e"]);
    expect(replica.seq).toBe(12);
  });

  test("holds back from the first event after a gap until it is loaded", () => {
    const replica = new Replica<DefaultState>();
    replica.load(5, []);
    expect(replica.receive(event(8, "b"))).toEqual([]);
    expect(replica.gap).toBe(true);
    expect(replica.receive(event(9, "c"))).toEqual([]);
    expect(replica.load(8, []).map(({ seq }) => seq)).toEqual([9]);
    expect([replica.gap, [...replica.members.keys()]]).toEqual([false, ["c"]]);
    replica.receive(event(12));
    expect(replica.gap).toBe(true);
    replica.hold();
    expect(replica.gap).toBe(false);
    expect(replica.receive(event(13))).toEqual([]);
    expect(replica.load(13, [])).toEqual([]);
  });

  test("says what is different, however many events made it so", () => {
    const replica = new Replica<DefaultState>();
    replica.load(0, []);
    replica.receive(event(1, "a"));
    replica.receive(event(2, "a", { type: "update", state: { n: 1 } }));
    replica.receive(event(3, "b"));
    replica.receive(event(4, "b", { type: "leave", state: null, reason: "leave" }));
    expect(replica.takeChange()).toMatchObject({ joined: [{ connId: "a", state: { n: 1 } }], updated: [], left: [] });
    expect(replica.takeChange()).toBeUndefined();
    replica.receive(event(5, "a", { type: "update", state: { n: 1 } }));
    expect(replica.takeChange()).toBeUndefined();
  });

  test("takes several changes in one message", () => {
    const replica = new Replica<DefaultState>();
    const batches = golden<{ wire: string }>("batches").map(({ wire }) => (JSON.parse(wire) as [string, PresenceBatch])[1]);
    const [batch, status] = batches as [PresenceBatch, PresenceBatch];
    const known = (connId: string, state: object) => ({ ...event(1, connId, { state, epoch: 1 }), joinedMs: 1, lastSeenMs: 1 }) as Member;
    replica.load(9, [known("c1", {}), known("c2", { x: 0, y: 1, z: 2 }), known("c3", {})]);
    expect(replica.receive(batch).map(({ type, connId, prev, seq }) => [type, connId, prev, seq])).toEqual([
      ["update", "c2", 8, 10], // the join at 8 was in the snapshot
      ["leave", "c3", 10, 12],
    ]);
    expect(replica.seq).toBe(12);
    expect([...replica.members.keys()]).toEqual(["c1", "c2"]);
    expect(replica.get("c2")?.state).toEqual({ x: [1], z: 2 });
    const state = replica.get("c1")?.state;
    replica.receive(status);
    expect([replica.seq, replica.get("c1")?.state]).toEqual([13, {}]);
    expect(replica.get("c1")?.state).toBe(state);
  });

  test("takes `__proto__` for a key, and nothing of who is not known", () => {
    const replica = new Replica<DefaultState>();
    replica.load(0, []);
    const changes = [
      { ...event(1, "a"), state: JSON.parse('{"__proto__":1,"k":1}') as object },
      { ...event(2, "a", { type: "update" }), state: undefined, patch: JSON.parse('{"__proto__":2}') as object, removed: ["k"] },
      { ...event(3, "b", { type: "update" }), state: undefined, patch: { n: 1 } },
      { ...event(4, "d", { type: "leave", reason: "leave" }) },
    ];
    const batch = { roomId: "r", seq: 5, prev: 0, ts: 1, total: { members: 1, users: 1 }, events: changes };
    expect(replica.receive(batch as unknown as PresenceBatch).map(({ connId }) => connId)).toEqual(["a", "a"]);
    expect(JSON.stringify(replica.get("a")?.state)).toBe('{"__proto__":2}');
    expect(replica.receive({ ...batch, seq: 9, prev: 7 } as unknown as PresenceBatch)).toEqual([]);
    expect(replica.gap).toBe(true);
  });

  test("never changes what it handed out", () => {
    const replica = new Replica<DefaultState>();
    replica.load(0, []);
    replica.receive(event(1, "a"));
    const before = replica.members;
    replica.receive(event(2, "b"));
    replica.receive(event(3, "a", { type: "leave", state: null, reason: "leave" }));
    expect([...before.keys()]).toEqual(["a"]);
    expect([...replica.members.keys()]).toEqual(["b"]);
  });
});

describe("patches", () => {
  const ok = (seq: number): HeartbeatResponse => ({ ok: true, changed: true, epoch: 1, seq });

  test("one at a time; those that wait are one", () => {
    const queue = new PatchQueue();
    void queue.add({ a: 1 });
    expect(queue.next()?.patch).toEqual({ a: 1 });
    void queue.add({ a: 2, b: 1 });
    void queue.add();
    void queue.add({ b: 2 });
    expect(queue.next()).toBeUndefined();
    queue.undo();
    expect(queue.next()?.patch).toEqual({ a: 2, b: 2 });
    queue.accept(ok(7));
    expect(queue.next()).toBeUndefined();
    expect(queue.over({ a: 0, c: 0 })).toEqual({ a: 2, b: 2, c: 0 }); // until its event has come
    queue.seen(6);
    expect(queue.over({})).toEqual({ a: 2, b: 2 });
    queue.seen(7);
    const state = {};
    expect(queue.over(state)).toBe(state);
  });

  test("a heartbeat without a patch changes no state", () => {
    const queue = new PatchQueue();
    const state = {};
    void queue.add();
    expect(queue.over(state)).toBe(state);
    expect(queue.next()).toMatchObject({ patch: undefined });
    expect(queue.over(state)).toBe(state);
  });

  test("a key named __proto__ is a key", () => {
    const queue = new PatchQueue();
    void queue.add(JSON.parse('{"__proto__": 1}') as Record<string, unknown>);
    void queue.add({ b: 1 });
    expect(JSON.stringify(queue.over({}))).toBe('{"__proto__":1,"b":1}');
  });
});

describe("golden wire fixtures", () => {
  const s = scenes();

  test("events are told as they come, and make the members", async () => {
    for (const { name, wire } of golden<{ name: string; wire: string }>("events")) {
      const [, sent] = JSON.parse(wire) as [string, PresenceEvent];
      const room = s.scene.server.room(sent.roomId);
      room.seq = (sent.prev ?? 0) - 1; // the join below is the event before
      room.members.set(sent.connId, { ...sent, state: { old: true }, status: "online", joinedMs: 1, lastSeenMs: 1 });
      const channel = await s.scene.joined({ roomId: sent.roomId });
      const events = told<PresenceEvent>(channel, "presenceEvent");
      s.scene.server.last.send(`2${wire}`);
      await settle();
      expect(events, name).toEqual([sent]);
      const member = channel.members.get(sent.connId);
      if (sent.type === "leave") expect(member, name).toBeUndefined();
      else expect(member, name).toMatchObject({ userId: sent.userId, status: sent.status, epoch: sent.epoch, lastSeenMs: sent.lastSeenMs ?? sent.ts });
      if (sent.type === "join") expect(Object.keys(member?.state ?? {}), name).toEqual(["n", "a", "__proto__"]);
    }
  });

  test("answers to heartbeats mean what they say", async () => {
    for (const { name, wire } of golden<{ name: string; wire: string }>("acks")) {
      const answer = JSON.parse(wire) as HeartbeatResponse | Refusal;
      const channel = await s.scene.joined();
      let answers = 1;
      s.scene.server.answer = ({ event }) => (event === "presence:heartbeat" && answers-- > 0 ? answer : undefined);
      const result = channel.updateState({ a: 1 });
      await settle();
      const joins = s.scene.server.named("presence:join").length;
      if ((answer.ok && answer.stale) || (!answer.ok && answer.code === "not_joined")) expect(joins, name).toBe(2);
      else if (answer.ok) expect(await result, name).toEqual(answer);
      else expect([answer.code, answer.retryAfterMs], name).toEqual(["rate_limited", 1500]);
      await s.scene.end();
      s.scene.server.requests.length = 0;
    }
  });

  test("requests have the fields that the server reads", async () => {
    const taken = golden<{ event: string; payload: object | null; error?: string }>("requests").filter(({ error }) => !error);
    const fields = (name: string) => new Set(taken.filter(({ event }) => event === name).flatMap(({ payload }) => Object.keys(payload ?? {})));
    const channel = await s.scene.joined({ state: { a: 1 } });
    await channel.updateState({ k: [null] });
    s.scene.server.missed("r", { type: "join", connId: "x" });
    s.scene.server.broadcast("r", { type: "join", connId: "y" });
    await settle();
    s.scene.server.last.lose();
    await settle();
    void channel.leave();
    for (const name of ["join", "heartbeat", "leave", "sync"]) {
      for (const { payload } of s.scene.server.named(`presence:${name}`)) {
        for (const field of Object.keys(payload)) expect([...fields(name), "roomId"], name).toContain(field);
      }
    }
  });
});
