// What cannot work, against the real server: it is refused or told, and costs
// nobody the connection.

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { type DefaultState, RealtimeClient, type RealtimeClientOptions, type RealtimeError } from "../../src/index.js";
import { Server } from "./lib/processes.js";
import { until } from "./lib/until.js";

let server: Server;
const clients: RealtimeClient[] = [];

beforeAll(async () => {
  server = await Server.start();
});
afterEach(() => {
  for (const client of clients.splice(0)) client.disconnect();
});
afterAll(async () => {
  await server.stop();
});

function connect(options: Partial<RealtimeClientOptions> = {}): RealtimeClient {
  const client = new RealtimeClient({ baseUrl: server.url, logger: {}, reconnectionDelay: 10, ...options });
  clients.push(client);
  return client;
}

const codeOf = (error: unknown) => (error as RealtimeError).code;

/** Counts the connections that a client makes. */
function connections(client: RealtimeClient): () => number {
  let count = 0;
  client.on("connect", () => count++);
  return () => count;
}

test.each([["polling"], ["websocket"]])("what is larger than the server takes does not cut the connection: %s", async (transport) => {
  const client = connect({ transports: [transport] });
  const made = connections(client);
  const large = "x".repeat(1_100_000);
  await expect(client.joinRoom({ roomId: "large", userId: "ann", state: { large } })).rejects.toMatchObject({ code: "state_too_large" });
  const { channel } = await client.joinRoom<DefaultState>({ roomId: "large", userId: "ann", state: { n: 0 } });
  await expect(channel.updateState({ large })).rejects.toMatchObject({ code: "state_too_large" });
  for (const value of [large, new Uint8Array(1_000_000), "€".repeat(340_000)]) {
    await expect(channel.emitWithAck("chat:x", value)).rejects.toMatchObject({ code: "message_too_large" });
    await expect(client.emitWithAck("chat:x", value)).rejects.toMatchObject({ code: "message_too_large" });
  }
  // And what just fits arrives.
  for (const value of ["x".repeat(999_000), "€".repeat(333_000)]) expect(await channel.emitWithAck("chat:x", value)).toEqual({ ok: true });
  if (transport === "websocket") expect(await channel.emitWithAck("chat:x", new Uint8Array(990_000))).toEqual({ ok: true });
  expect(await channel.updateState({ n: 1 })).toMatchObject({ changed: true });
  expect(made()).toBe(1);
});

test("a path that is no namespace, and an authProvider that returns no object, end the join", async () => {
  await expect(connect({ baseUrl: `${server.url}/app` }).joinRoom({ roomId: "r", userId: "ann" })).rejects.toMatchObject({ code: "refused" });
  await expect(connect({ authProvider: () => "token" as never }).joinRoom({ roomId: "r", userId: "ann" })).rejects.toMatchObject({ code: "auth_failed" });
});

test("a wrong port is told from the first failure on", async () => {
  const channel = connect({ baseUrl: "http://127.0.0.1:9" }).createPresenceChannel();
  const codes: string[] = [];
  channel.on("error", ({ code }) => codes.push(code));
  void channel.join({ roomId: "r", userId: "ann" });
  await until("it is told twice", () => codes.length >= 2);
  expect([new Set(codes), channel.status]).toEqual([new Set(["disconnected"]), "joining"]);
});

test("events go to the channel's room alone, whatever they carry", async () => {
  const [ann, bob] = [connect(), connect()];
  const here = (await ann.joinRoom({ roomId: "here", userId: "ann" })).channel;
  await ann.joinRoom({ roomId: "there", userId: "ann" });
  const hears = (await bob.joinRoom({ roomId: "here", userId: "bob" })).channel;
  const elsewhere = (await connect().joinRoom({ roomId: "there", userId: "cid" })).channel;
  const heard: unknown[] = [];
  const strays: unknown[] = [];
  hears.on("chat:x", (value) => heard.push(value));
  elsewhere.on("chat:x", (value) => strays.push(value));
  const values = ["six", null, [1], { roomId: "there" }, new Uint8Array([1, 2])];
  for (const value of values) await here.emitWithAck("chat:x", value);
  await until("bob hears them", () => heard.length === values.length);
  expect(JSON.stringify(heard.slice(0, 4))).toBe(JSON.stringify(values.slice(0, 4)));
  expect([...(heard[4] as Uint8Array)]).toEqual([1, 2]);
  expect(strays).toEqual([]);
  await expect(here.emitWithAck("nobody:knows", 1)).rejects.toMatchObject({ code: "unknown_event" });
});

test("saying once that it closes gaps by itself disturbs nothing", async () => {
  const client = connect({ transports: ["websocket"] });
  const snapshots: unknown[] = [];
  const syncs: unknown[] = [];
  client.getSocket().onAnyOutgoing((event: string, payload: unknown) => {
    if (event === "presence:sync") syncs.push(payload);
  });
  const channel = client.createPresenceChannel();
  channel.on("snapshot", (members) => snapshots.push([...members.keys()]));
  const { seq } = await channel.join({ roomId: "calm", userId: "ann" });
  await client.joinRoom({ roomId: "calm2", userId: "ann" });
  const { channel: other } = await connect().joinRoom({ roomId: "calm", userId: "bob" });
  for (let n = 0; n < 10; n++) await other.updateState({ n });
  await until("ann sees them", () => [...channel.members.values()].some(({ state }) => state.n === 9));
  expect(syncs).toEqual([{ roomId: "calm", seq }]);
  expect(snapshots).toHaveLength(1);
  expect(await client.getSocket().emitWithAck("presence:sync", { roomId: "calm2" })).toMatchObject({ ok: true });
});

test("5000 events made offline: those within the bound arrive in order, each of the others is told", async () => {
  const client = connect();
  const { channel } = await client.joinRoom({ roomId: "many", userId: "ann" });
  const hears = (await connect().joinRoom({ roomId: "many", userId: "bob" })).channel;
  const heard: unknown[] = [];
  const told: string[] = [];
  hears.on("chat:x", (n) => heard.push(n));
  channel.on("error", (error) => told.push(codeOf(error)));
  client.getSocket().io.engine.close();
  for (let n = 0; n < 5000; n++) channel.emit("chat:x", n);
  await until("bob hears what was kept", () => heard.length >= 1000);
  expect(heard).toEqual(Array.from({ length: 1000 }, (_, n) => n));
  expect(told).toEqual(Array(4000).fill("outbox_full"));
});
