// The build for browsers, where much of what a page has is missing: in service
// workers, workers, and other runtimes.

import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";

import { build } from "esbuild";
import { beforeAll, expect, test } from "vitest";

let bundle = "";

beforeAll(async () => {
  const entry = fileURLToPath(new URL("../../src/index.ts", import.meta.url));
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, write: false, format: "iife", globalName: "sdk", platform: "browser", target: "es2022" });
  bundle = outputFiles[0]?.text ?? "";
});

/** A server of long polling, as much of it as one member needs; `ask` answers the client's requests. */
class Polls {
  readonly posted: string[] = [];
  #packets = ['0{"sid":"engine","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'];
  #waiting: ((packet: string) => void) | undefined;

  readonly fetch = async (_: string, { method, body }: { method: string; body: string | null }) => {
    if (method === "POST") {
      for (const packet of (body ?? "").split("\x1e")) this.#post(packet);
      return { ok: true, text: () => Promise.resolve("ok"), headers: new Headers() };
    }
    const packet = this.#packets.shift() ?? (await new Promise<string>((resolve) => (this.#waiting = resolve)));
    return { ok: true, text: () => Promise.resolve(packet), headers: new Headers() };
  };

  #post(packet: string): void {
    this.posted.push(packet);
    if (packet.startsWith("40")) this.#send('40{"sid":"socket"}');
    const [, number = "", event = ""] = /^42(\d+)\["(.*?)"/.exec(packet) ?? [];
    if (event === "presence:join") this.#send(`43${number}[{"ok":true,"snapshot":[],"self":{"connId":"socket","epoch":1},"seq":1,"resumed":false}]`);
  }

  #send(packet: string): void {
    if (this.#waiting) this.#waiting(packet);
    else this.#packets.push(packet);
    this.#waiting = undefined;
  }
}

/** A WebSocket to the same server. */
function webSocket(log: string[]) {
  return class {
    onopen: (() => void) | undefined;
    onmessage: ((event: { data: string }) => void) | undefined;
    constructor(url: string) {
      log.push(url);
      queueMicrotask(() => {
        this.onopen?.();
        this.onmessage?.({ data: '0{"sid":"engine","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}' });
      });
    }
    send(packet: string): void {
      if (packet.startsWith("40")) this.onmessage?.({ data: '40{"sid":"socket"}' });
      const [, number = "", event = ""] = /^42(\d+)\["(.*?)"/.exec(packet) ?? [];
      if (event === "presence:join") this.onmessage?.({ data: `43${number}[{"ok":true,"snapshot":[],"self":{"connId":"socket","epoch":1},"seq":1,"resumed":false}]` });
    }
    close(): void {
      // nothing is held
    }
  };
}

/** What every runtime has. */
const BASICS = { setTimeout, clearTimeout, queueMicrotask, console, URL, TextEncoder, AbortController };

/** Joins a room where there are only these globals, and leaves it. Returns the status in between. */
function join(globals: object, options: object = {}): Promise<unknown> {
  const context = createContext({ ...BASICS, ...globals, options: { baseUrl: "http://test", ...options } });
  runInContext("globalThis.self = globalThis", context);
  runInContext(bundle, context);
  return runInContext(
    `(async () => {
      const client = new sdk.RealtimeClient(options);
      const { channel } = await client.joinRoom({ roomId: "r", userId: "ann", state: { a: 1 } });
      const { status } = channel;
      channel.emit("chat:x", new Uint8Array(3));
      client.disconnect();
      client.disconnect();
      return status;
    })()`,
    context,
  ) as Promise<unknown>;
}

test("a service worker polls with fetch", async () => {
  const polls = new Polls();
  const listened: string[] = [];
  const worker = { fetch: polls.fetch, Headers, ServiceWorkerGlobalScope: Object, addEventListener: (name: string) => listened.push(name), removeEventListener: () => undefined };
  expect(await join(worker)).toBe("joined");
  expect(polls.posted[1]).toContain('"presence:join"');
  expect(listened).toEqual(["offline"]); // by Socket.IO, as its script is run: later would be too late
});

test("transports that are given by name are those that work here", async () => {
  const polls = new Polls();
  expect(await join({ fetch: polls.fetch, Headers }, { transports: ["polling"] })).toBe("joined");
  const urls: string[] = [];
  expect(await join({ WebSocket: webSocket(urls) }, { transports: ["websocket"] })).toBe("joined");
  expect(urls[0]).toContain("ws://test");
});

test("without fetch either it uses WebSocket alone, and without that one it is told", async () => {
  const urls: string[] = [];
  expect(await join({ WebSocket: webSocket(urls) })).toBe("joined");
  expect(urls).toHaveLength(1);
  const warned: string[] = [];
  const quiet = { ...console, warn: (text: string) => warned.push(text) };
  await expect(join({ console: quiet }, { transports: ["polling"], reconnection: false })).rejects.toMatchObject({ code: "disconnected" });
  expect(warned).toMatchObject([expect.stringContaining("No transports available")]);
});

test("without AbortController, AbortSignal, storage, or a document that can be listened to", async () => {
  const polls = new Polls();
  const poor = { fetch: polls.fetch, Headers, AbortController: undefined, document: {}, sessionStorage: undefined };
  expect(await join(poor)).toBe("joined");
});
