import type { RealtimeClient } from "realtime-message-sdk";

/** The connection of one client, which can be cut as a lost network would. */
export class Network {
  readonly #client: RealtimeClient;
  #cut = false;

  constructor(client: RealtimeClient) {
    this.#client = client;
  }

  get isCut(): boolean {
    return this.#cut;
  }

  /** Whether there is a connection to cut. */
  get canCut(): boolean {
    return this.#client.isConnected();
  }

  /** What carries the connection, such as `websocket`; empty without one. */
  get transport(): string {
    return this.#client.isConnected() ? this.#client.getSocket().io.engine.transport.name : "";
  }

  /** Closes the transport, which is no leave, and lets nothing reconnect. */
  cut(): void {
    const { io } = this.#client.getSocket();
    this.#cut = true;
    io.reconnection(false);
    io.engine.close();
  }

  restore(): void {
    if (!this.#cut) return;
    this.#cut = false;
    this.#client.getSocket().io.reconnection(true);
    this.#client.connect();
  }
}
