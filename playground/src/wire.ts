// What the participants of a room say to each other.

import type { DefaultState, PresenceChannel } from "realtime-message-sdk";

/** A line of the chat, as it travels. */
export interface ChatMessage {
  readonly userId: string;
  readonly text: string;
  /** When it was sent, by the sender's clock: Unix time in ms. */
  readonly sentMs: number;
}

export interface ChatEvents {
  "chat:message": (message: ChatMessage) => { readonly ok: boolean; readonly error?: string };
}

export type Channel = PresenceChannel<DefaultState, ChatEvents>;

/** A message of somebody else, who may have sent anything. */
export function readMessage(value: unknown): ChatMessage | undefined {
  const { userId, text, sentMs } = (value ?? {}) as Record<string, unknown>;
  if (typeof userId !== "string" || typeof text !== "string" || typeof sentMs !== "number") return undefined;
  return { userId, text, sentMs };
}
