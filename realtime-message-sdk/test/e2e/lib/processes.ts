// Servers of a test's own, on free loopback ports.

import { Server as Running } from "../../../../e2e/lib/server.mjs";

export { Redis } from "../../../../e2e/lib/redis.mjs";

/** One realtime server: in memory, or with a Redis. */
export class Server {
  /** Without a port it takes a free one. */
  static async start(options: { redis?: string; port?: number; env?: Record<string, string> } = {}): Promise<Server> {
    const { redis, port = 0, env } = options;
    const settings = { PORT: String(port), RELAY_EVENTS: "chat:*", DRAIN_MS: "0", ...env, ...(redis && { REDIS_URL: redis }) };
    return new Server(await Running.start(redis ? "serve" : "dev", settings));
  }

  readonly #running: Running;

  private constructor(running: Running) {
    this.#running = running;
  }

  get url(): string {
    return this.#running.url;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  /** Ends the process. Nothing happens if it has ended already. */
  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#running.process;
    child.signal(signal);
    await child.ended();
  }
}
