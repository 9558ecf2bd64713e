import type { RealtimeError } from "./errors.js";
import type { Sender } from "./protocol.js";

/**
 * How the connection of a socket ended:
 * - `connection`: it was lost;
 * - `kicked`: the server ended it on purpose, with a disconnect packet;
 * - `leave`: this side ended it on purpose.
 */
export type Loss = "connection" | "kicked" | "leave";

/** What a channel is told by its connection. */
export interface ChannelHooks {
  readonly roomId: string | undefined;
  /** The socket is connected; requests can be sent. */
  up(): void;
  /** The socket's connection ended. */
  down(loss: Loss): void;
  /** It is tried again, for the n-th time in a row. */
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
