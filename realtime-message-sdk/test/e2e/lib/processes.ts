// Servers of a test's own, on free loopback ports.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { tmpdir } from "node:os";

import { until } from "./until.js";

/** A child process that does not outlive this one. */
class Process {
  output = "";
  readonly #child: ChildProcess;
  readonly #killer = () => {
    this.#child.kill("SIGKILL");
  };

  constructor(path: string, args: string[], env: NodeJS.ProcessEnv) {
    this.#child = spawn(path, args, { cwd: tmpdir(), env, stdio: ["ignore", "pipe", "pipe"] });
    this.#child.stdout?.on("data", (text: Buffer) => (this.output += text.toString()));
    this.#child.stderr?.on("data", (text: Buffer) => (this.output += text.toString()));
    process.once("exit", this.#killer);
  }

  async printed(pattern: RegExp): Promise<string> {
    await until(`the server prints ${String(pattern)}`, () => {
      if (this.#child.exitCode !== null) throw new Error(`the server ended: ${this.output}`);
      return pattern.test(this.output);
    });
    return pattern.exec(this.output)?.[0] ?? "";
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    process.off("exit", this.#killer);
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, "exit");
    this.#child.kill(signal);
    await exit;
  }
}

/** One realtime server: in memory, or with a Redis. */
export class Server {
  static async start(options: { redis?: string; port?: number; env?: Record<string, string> } = {}): Promise<Server> {
    const port = options.port ?? (await freePort());
    const env = { PATH: process.env.PATH, HOST: "127.0.0.1", PORT: String(port), RELAY_EVENTS: "chat:*", DRAIN_MS: "0", ...options.env };
    const args = options.redis ? ["serve"] : ["dev"];
    const server = new Process(process.env.REALTIME_BIN ?? "", args, { ...env, ...(options.redis && { REDIS_URL: options.redis }) });
    await server.printed(/https?:\/\/[^\s"]+/);
    return new Server(server, port);
  }

  readonly #process: Process;

  private constructor(server: Process, readonly port: number) {
    this.#process = server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  stop(): Promise<void> {
    return this.#process.stop("SIGTERM");
  }

  kill(): Promise<void> {
    return this.#process.stop("SIGKILL");
  }
}

/** One redis-server, with nothing on disk. */
export class Redis {
  static async start(): Promise<Redis> {
    const port = await freePort();
    const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", tmpdir()];
    const server = new Process("redis-server", args, process.env);
    await server.printed(/Ready to accept connections/);
    return new Redis(server, `redis://127.0.0.1:${port}`);
  }

  readonly #process: Process;

  private constructor(server: Process, readonly url: string) {
    this.#process = server;
  }

  stop(): Promise<void> {
    return this.#process.stop("SIGTERM");
  }
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (typeof address !== "object" || !address) throw new Error("no port");
  return address.port;
}
