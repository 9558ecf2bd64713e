import type { Connection } from "./connection.js";
import type { RealtimeError } from "./errors.js";
import type { Sender } from "./protocol.js";

/**
 * How the connection of a socket ended:
 * - `connection`: it was lost;
 * - `kicked`: the server ended it on purpose, with a disconnect packet;
 * - `leave`: this side ended it on purpose.
 */
export type Loss = "connection" | "kicked" | "leave";

/** What a channel is told by its client. */
export interface LinkHooks {
  /** The socket is connected; requests can be sent. */
  up(): void;
  /** The socket's connection ended. */
  down(loss: Loss): void;
  /** The client tries to connect again, for the n-th time in a row. */
  attempt(attempt: number): void;
  /** An event arrived. */
  heard(event: string, args: unknown[], sender: Sender | null): void;
  /** An attempt to connect failed; `forGood`: and it is not tried again. */
  refused(error: RealtimeError, forGood: boolean): void;
  /** The page goes away. */
  hide(): void;
  /** The page is back from the back/forward cache. */
  show(): void;
  /** The page can be seen again. Returns whether the connection was looked after. */
  wake(): boolean;
}

/** What a channel needs of its client. */
export interface Link {
  readonly connection: Connection;
  /** Rooms that channels of this client are in: two in one room would be one member to the server. */
  readonly rooms: Set<string>;
  /** An event of the room was not delivered, and nobody waits for it. */
  lost(error: RealtimeError): void;
  /** Connects, unless it is connected, or waits to try again. */
  open(): void;
  /** Who is told: the channels that are in a room, or want to be. */
  readonly hooks: Set<LinkHooks>;
  /** Custom events of this connection have their sender as last argument. */
  senders: boolean;
  /** When this connection was last asked something: one heartbeat speaks for all channels. Unix time in ms. */
  askedMs: number;
}
