import { afterEach, beforeEach, expect, vi } from "vitest";

import { type JoinParams, type PresenceChannel, RealtimeClient, type RealtimeClientOptions } from "../../src/index.js";
import { FakeServer } from "./fake-server.js";

/** What a test is about: one server, clients, and their channels. Timers are fake; none may be left at the end. */
export class Scene {
  server = new FakeServer();
  readonly #clients: RealtimeClient[] = [];

  /** A client; failures are not told on the console unless `logger: undefined` asks for it. */
  client(options: Partial<RealtimeClientOptions> = {}): RealtimeClient {
    const client = new RealtimeClient({ baseUrl: "http://test", transports: this.server.transports, logger: {}, ...options });
    this.#clients.push(client);
    return client;
  }

  /** A channel that has joined the room "r". */
  async joined(params: Partial<JoinParams> = {}, client = this.client()): Promise<PresenceChannel> {
    const channel = client.createPresenceChannel();
    void channel.join({ roomId: "r", userId: "ann", ...params });
    await settle();
    expect(channel.status).toBe("joined");
    return channel;
  }

  async end(): Promise<void> {
    for (const client of this.#clients) client.disconnect();
    await settle();
    expect(vi.getTimerCount()).toBe(0);
  }
}

/** A scene for each test of a file. */
export function scenes(): { readonly scene: Scene } {
  const holder = { scene: new Scene() };
  beforeEach(() => {
    vi.useFakeTimers();
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    holder.scene = new Scene();
  });
  afterEach(async () => {
    await holder.scene.end();
    vi.useRealTimers();
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
  });
  return holder;
}

/** Lets everything happen that needs no time. */
export async function settle(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
}

export async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

/** Collects what a channel tells under a name. */
export function told<T = unknown>(channel: PresenceChannel, event: string): T[] {
  const list: T[] = [];
  channel.on(event as "error", ((value: T) => list.push(value)) as never);
  return list;
}
