import type { ManagerOptions } from "socket.io-client";
import { describe, expect, expectTypeOf, test, vi } from "vitest";

import { type PresenceOptions, RealtimeClient, type RealtimeClientOptions } from "../../src/index.js";
import { pass, scenes, settle } from "./setup.js";

const s = scenes();
const baseUrl = "http://test";

const PRESENCE = {
  heartbeatIntervalMs: undefined,
  heartbeatAckTimeoutMs: undefined,
  maxMissedHeartbeats: undefined,
  presenceEventName: undefined,
  graceMs: undefined,
  pageGraceMs: undefined,
  resumeKey: undefined,
} satisfies Required<PresenceOptions>;

const CLIENT = {
  authProvider: undefined,
  presence: undefined,
  logger: undefined,
  reconnection: undefined,
  reconnectionAttempts: undefined,
  reconnectionDelay: undefined,
  reconnectionDelayMax: undefined,
  randomizationFactor: undefined,
  timeout: undefined,
  path: undefined,
  upgrade: undefined,
  rejectUnauthorized: undefined,
  addTrailingSlash: undefined,
  query: undefined,
  withCredentials: undefined,
  extraHeaders: undefined,
} satisfies Partial<RealtimeClientOptions>;

describe("an option that is undefined counts as left out", () => {
  test("by the client and by its channels", async () => {
    const client = s.scene.client({ ...CLIENT, presence: PRESENCE });
    const channel = client.createPresenceChannel(PRESENCE);
    await channel.join({ roomId: "r", userId: "ann", state: undefined });
    expect(s.scene.server.named("presence:join")[0]?.payload).toEqual({ roomId: "r", userId: "ann", graceMs: 15_000, sender: true, deltas: true });
    await pass(100_000);
    expect(s.scene.server.named("presence:heartbeat")).toHaveLength(10);
  });

  test("by Socket.IO beneath", () => {
    const { opts } = new RealtimeClient({ baseUrl, ...CLIENT }).getSocket().io;
    const plain = new RealtimeClient({ baseUrl }).getSocket().io.opts;
    expect(Object.keys(opts).sort()).toEqual(Object.keys(plain).sort());
  });

  test("so that the client's own options stand where a channel gives none", async () => {
    const client = s.scene.client({ presence: { graceMs: 7 } });
    await client.joinRoom({ roomId: "r", userId: "ann" }, { graceMs: undefined });
    expect(s.scene.server.named("presence:join")[0]?.payload.graceMs).toBe(7);
  });
});

describe("a number that cannot work is refused, with its name", () => {
  const wrong = [NaN, Infinity, -Infinity, -1, 2 ** 31, 1e300];
  const more: Record<string, number[]> = {
    heartbeatIntervalMs: [0, 99],
    heartbeatAckTimeoutMs: [0],
    maxMissedHeartbeats: [0],
    reconnectionDelay: [0],
    reconnectionDelayMax: [0],
    timeout: [0],
  };

  test.each(["heartbeatIntervalMs", "heartbeatAckTimeoutMs", "maxMissedHeartbeats", "graceMs", "pageGraceMs"])("%s of a client and of a channel", (name) => {
    const client = s.scene.client();
    for (const value of [...wrong, ...(more[name] ?? [])]) {
      expect(() => new RealtimeClient({ baseUrl, presence: { [name]: value } })).toThrow(name);
      expect(() => client.createPresenceChannel({ [name]: value })).toThrow(RangeError);
    }
    for (const value of ["5000", null, {}]) {
      expect(() => client.createPresenceChannel({ [name]: value })).toThrow(TypeError);
      expect(() => client.createPresenceChannel({ [name]: value })).toThrow(name);
    }
  });

  test.each(["reconnectionDelay", "reconnectionDelayMax", "timeout", "requestTimeout"])("%s", (name) => {
    for (const value of [...wrong, ...(more[name] ?? [])]) expect(() => s.scene.client({ [name]: value })).toThrow(name);
  });

  test("the others", () => {
    for (const reconnectionAttempts of [0, -1, NaN]) expect(() => s.scene.client({ reconnectionAttempts })).toThrow("reconnectionAttempts");
    for (const randomizationFactor of [-0.1, 1.1, NaN]) expect(() => s.scene.client({ randomizationFactor })).toThrow("randomizationFactor");
    for (const ms of [NaN, -1, 2 ** 31]) {
      expect(() => s.scene.client().timeout(ms)).toThrow("timeout");
      expect(() => s.scene.client().createPresenceChannel().timeout(ms)).toThrow("timeout");
    }
  });

  test("joinRoom rejects", async () => {
    await expect(s.scene.client().joinRoom({ roomId: "r", userId: "ann" }, { graceMs: NaN })).rejects.toThrow("graceMs");
  });

  test("those at the bounds work", () => {
    const longest = 2 ** 31 - 1;
    s.scene.client({ reconnectionAttempts: Infinity, reconnectionDelay: 1, reconnectionDelayMax: longest, randomizationFactor: 0, timeout: 1 });
    s.scene.client({ presence: { graceMs: 0, pageGraceMs: 0, heartbeatIntervalMs: 100, heartbeatAckTimeoutMs: longest, maxMissedHeartbeats: 1 } });
  });
});

test("what is not a URL or a function is refused", () => {
  for (const wrong of [undefined, null, 5]) expect(() => new RealtimeClient({ baseUrl: wrong as never })).toThrow("baseUrl");
  for (const wrong of ["token", {}, null, 0]) expect(() => new RealtimeClient({ baseUrl, authProvider: wrong as never })).toThrow("authProvider");
});

describe("the options of Socket.IO", () => {
  test("pass through", () => {
    const given = { withCredentials: true, extraHeaders: { "x-a": "1" }, query: { a: "1" }, rememberUpgrade: true, closeOnBeforeunload: true, path: "/p/", timeout: 9000 };
    const { opts } = new RealtimeClient({ baseUrl, ...given }).getSocket().io;
    expect(opts).toMatchObject(given);
  });

  test("but for those that the client sets by itself", async () => {
    const own = { auth: { mine: true }, autoConnect: true, forceNew: false, retries: 3, ackTimeout: 1 };
    const client = s.scene.client(own as object);
    await settle();
    expect(s.scene.server.connections).toHaveLength(0);
    const { response } = await client.joinRoom({ roomId: "r", userId: "ann" });
    expect([response.ok, s.scene.server.last.auth]).toEqual([true, {}]);
    expect(vi.getTimerCount()).toBeLessThan(4);
  });

  test("type-check, undefined included", () => {
    type Passed = Omit<ManagerOptions, "autoConnect" | "forceNew" | "multiplex">;
    expectTypeOf<Partial<Passed>>().toExtend<Partial<RealtimeClientOptions>>();
    expectTypeOf<{ [K in keyof Passed]: undefined }>().toExtend<Partial<RealtimeClientOptions>>();
    expectTypeOf<{ auth: object }>().not.toExtend<Pick<RealtimeClientOptions, never> & { auth?: never }>();
    // @ts-expect-error: authProvider takes its place
    const options: RealtimeClientOptions = { baseUrl, auth: {} };
    expect(options.baseUrl).toBe(baseUrl);
  });
});
