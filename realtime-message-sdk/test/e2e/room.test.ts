// The SDK against the real server, in memory and on Redis with two servers.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

import { type PresenceChannel, type PresenceEvent, RealtimeClient, type RealtimeClientOptions } from "../../src/index.js";
import { Tab } from "./lib/page.js";
import { Redis, Server } from "./lib/processes.js";
import { until } from "./lib/until.js";

let rooms = 0;

/** Ends what a page had when it is gone: its transport, with what was written to it still sent. */
function end(client: RealtimeClient | undefined): void {
  client?.getSocket().io.reconnection(false);
  client?.getSocket().io.engine.close();
}

describe.each(["memory", "redis"])("on %s", (store) => {
  let redis: Redis | undefined;
  let servers: Server[] = [];
  const clients: RealtimeClient[] = [];

  beforeAll(async () => {
    if (store === "redis") redis = await Redis.start();
    servers = await Promise.all((redis ? [redis.url, redis.url] : [""]).map((url) => Server.start({ redis: url })));
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.disconnect();
    Tab.none();
  });
  afterAll(async () => {
    for (const server of servers) await server.stop();
    await redis?.stop();
  });

  /** A client of one of the servers. */
  function client(options: Partial<RealtimeClientOptions> = {}): RealtimeClient {
    const server = servers[clients.length % servers.length];
    if (!server) throw new Error("no server");
    const made = new RealtimeClient({ baseUrl: server.url, transports: ["websocket"], reconnectionDelayMax: 1000, ...options });
    clients.push(made);
    return made;
  }

  async function join(roomId: string, userId: string, state?: object): Promise<PresenceChannel> {
    const { channel } = await client().joinRoom({ roomId, userId, ...(state && { state: { ...state } }) });
    return channel;
  }

  function events(channel: PresenceChannel): PresenceEvent[] {
    const list: PresenceEvent[] = [];
    channel.on("presenceEvent", (event) => list.push(event));
    return list;
  }

  const view = (channel: PresenceChannel) =>
    [...channel.members.values()].map(({ connId, userId, state, status }) => [connId, userId, JSON.stringify(state), status]).sort();

  function fresh(): string {
    return `${store} {${rooms++}}:room`;
  }

  test("members see each other, patch, and leave", async () => {
    const room = fresh();
    const [ann, bob] = [await join(room, "ann", { a: 1 }), await join(room, "bob")];
    await until("ann sees bob", () => ann.users.has("bob"));
    expect(view(ann)).toEqual(view(bob));
    const patched = ann.updateState({ a: 2, list: [null, {}] });
    expect(ann.self?.state).toEqual({ a: 2, list: [null, {}] });
    expect(await patched).toMatchObject({ ok: true, changed: true });
    await until("bob sees the patch", () => JSON.stringify([...(bob.users.get("ann")?.members ?? [])][0]?.state) === '{"a":2,"list":[null,{}]}');
    await bob.leave();
    await until("ann sees bob leave", () => !ann.users.has("bob"));
    expect(await ann.sendHeartbeat()).toMatchObject({ ok: true, changed: false });
  });

  test("a refused patch is taken back", async () => {
    const ann = await join(fresh(), "ann", { a: 1 });
    await expect(ann.updateState({ a: "x".repeat(20_000) })).rejects.toMatchObject({ code: "state_too_large" });
    expect(ann.self?.state).toEqual({ a: 1 });
  });

  test("custom events reach the room, with acknowledgement", async () => {
    const room = fresh();
    const [ann, bob] = [await join(room, "ann"), await join(room, "bob")];
    const heard: unknown[] = [];
    bob.on("chat:message", (message) => heard.push(message));
    expect(await ann.timeout(10_000).emitWithAck("chat:message", { text: "hi" })).toEqual({ ok: true });
    await until("bob hears ann", () => heard.length > 0);
    expect(heard).toEqual([{ text: "hi" }]);
  });

  test("listeners are told who sent an event, and the channel of its room alone hears it", async () => {
    const [room, other] = [fresh(), fresh()];
    const ann = await join(room, "ann");
    const both = client();
    const { channel: bob } = await both.joinRoom({ roomId: room, userId: "bob" });
    const { channel: elsewhere } = await both.joinRoom({ roomId: other, userId: "bob" });
    const heard: unknown[][] = [];
    bob.on("chat:message", (...args) => heard.push(args));
    elsewhere.on("chat:message", () => heard.push(["elsewhere"]));
    for (const text of ["six", null, { roomId: other }]) await ann.timeout(10_000).emitWithAck("chat:message", text);
    await until("bob hears ann", () => heard.length >= 3);
    const sender = { connId: ann.self?.connId, userId: "ann", roomId: room, ts: expect.any(Number) as number };
    expect(heard).toEqual([["six", sender], [null, sender], [{ roomId: other }, sender]]);
  });

  test("keys are deleted in one step with what is changed", async () => {
    const room = fresh();
    const [ann, bob] = [await join(room, "ann", { a: 1, b: 1 }), await join(room, "bob")];
    const seen = events(bob);
    await ann.deleteState(["a"]);
    await Promise.all([ann.updateState({ c: 1 }), ann.deleteState(["b"])]);
    await until("bob sees it", () => JSON.stringify(bob.users.get("ann")?.members[0]?.state) === '{"c":1}');
    expect(seen.every(({ type }) => type === "update")).toBe(true);
    expect(view(ann)).toEqual(view(bob));
  });

  test("a reload keeps its state although its join brings one; a new member has it from the first event on", async () => {
    const room = fresh();
    const ann = await join(room, "ann");
    const seen = events(ann);
    const tab = new Tab();
    tab.load();
    const before = await join(room, "bob", { n: 1 });
    await before.updateState({ n: 2 });
    tab.hide();
    end(clients.at(-1));
    tab.load();
    const after = await join(room, "bob", { n: 1 });
    expect(after.self).toMatchObject({ connId: before.self?.connId, state: { n: 2 } });
    await after.leave();
    await until("ann sees bob leave", () => !ann.users.has("bob"));
    expect(seen.map(({ type, state }) => `${type} ${JSON.stringify(state)}`)).toEqual(['join {"n":1}', 'update {"n":2}', "leave null"]);
  });

  test("a lost connection is resumed unseen, with what was patched meanwhile", async () => {
    const room = fresh();
    const [ann, bob] = [await join(room, "ann"), await join(room, "bob", { n: 0 })];
    await until("ann sees bob", () => ann.users.has("bob"));
    const seen = events(ann);
    const { connId } = bob.self ?? {};
    const resumed = new Promise((resolve) => bob.on("connected", resolve));
    clients[1]?.getSocket().io.engine.close();
    const patches = [bob.updateState({ n: 1 }), bob.updateState({ n: 2 })];
    expect(bob.status).toBe("reconnecting");
    expect(await resumed).toMatchObject({ resumed: true, self: { connId } });
    await Promise.all(patches);
    await until("ann sees the patch", () => ann.users.get("bob")?.members[0]?.state.n === 2);
    expect(seen.filter(({ type, state }) => type !== "update" || (state as { n?: number }).n !== 2)).toEqual([]);
    expect(view(ann)).toEqual(view(bob));
  });

  test("a reload is unseen, a closed page is gone within pageGraceMs", async () => {
    const room = fresh();
    const ann = await join(room, "ann");
    const seen = events(ann);
    const tab = new Tab();
    tab.load();
    const before = await join(room, "bob", { n: 1 });
    const { connId } = before.self ?? {};
    tab.hide();
    end(clients.at(-1));
    tab.load();
    const after = await join(room, "bob");
    expect(after.self).toMatchObject({ connId, state: { n: 1 } });
    await after.updateState({ n: 2 });
    await until("ann sees the patch", () => seen.length === 2);
    expect(seen.map(({ type }) => type)).toEqual(["join", "update"]);

    const hidden = Date.now();
    tab.hide();
    end(clients.at(-1));
    await until("ann sees bob leave", () => !ann.users.has("bob"));
    expect(Date.now() - hidden).toBeGreaterThan(2900);
    expect(seen.at(-1)).toMatchObject({ type: "leave", connId });
  });

  test("a duplicated tab is a member of its own", async () => {
    const room = fresh();
    const tab = new Tab();
    tab.load();
    const [one, two] = [await join(room, "ann"), await join(room, "ann")]; // one storage: what a duplicated tab begins with
    await until("both see both", () => one.users.get("ann")?.members.length === 2 && two.users.get("ann")?.members.length === 2);
  });

  test("several rooms on one connection", async () => {
    const [one, two] = [fresh(), fresh()];
    const both = client();
    const first = (await both.joinRoom({ roomId: one, userId: "ann" })).channel;
    const second = (await both.joinRoom({ roomId: two, userId: "ann" })).channel;
    const other = await join(two, "bob");
    await until("the second sees bob", () => second.users.has("bob"));
    expect(first.users.has("bob")).toBe(false);
    both.getSocket().io.engine.close();
    await until("both are back", () => first.status === "joined" && second.status === "joined");
    expect(view(second)).toEqual(view(other));
  });

  test("a server that is killed and started again: all recover and agree", async () => {
    const room = fresh();
    const [ann, bob] = [await join(room, "ann", { a: 1 }), await join(room, "bob", { b: 1 })];
    const port = servers[0]?.port ?? 0;
    await servers[0]?.kill();
    await until("ann knows", () => ann.status === "reconnecting");
    servers[0] = await Server.start({ port, ...(redis && { redis: redis.url }) });
    await until("both see both", () => [ann, bob].every((channel) => channel.status === "joined" && channel.members.size === 2), 30_000);
    await until("both agree", () => JSON.stringify(view(ann)) === JSON.stringify(view(bob)));
    expect(ann.users.get("bob")?.members[0]?.state).toEqual({ b: 1 });
  });
});
