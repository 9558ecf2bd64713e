import type { ErrorCode, Refusal } from "./protocol.js";

/**
 * What can go wrong on this side of the wire:
 * - `disconnected`: the connection was lost before the answer came, or there was none;
 * - `timeout`: no answer in time;
 * - `left`: the channel left its room, was stopped, or was removed from the room;
 * - `in_use`: the channel, or another one of the same client, is in that room already;
 * - `auth_failed`: `authProvider` threw;
 * - `refused`: the server refused the connection itself.
 */
export type ClientErrorCode = "disconnected" | "timeout" | "left" | "in_use" | "auth_failed" | "refused";

/** Every error of this package: a code to branch on and a sentence to read. */
export class RealtimeError extends Error {
  override readonly name = "RealtimeError";
  readonly code: ErrorCode | ClientErrorCode;
  /** With `rate_limited`: how long to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode | ClientErrorCode, message: string, options?: { cause?: unknown; retryAfterMs?: number | undefined }) {
    super(message, options);
    this.code = code;
    this.retryAfterMs = options?.retryAfterMs;
  }
}

/** A refusal as an error. */
export function refusalError(refusal: Refusal): RealtimeError {
  return new RealtimeError(refusal.code, refusal.error, refusal);
}

/** Refusals that say nothing about the request: the same one may be accepted later. */
const TRANSIENT: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["rate_limited", "unavailable", "shutting_down", "internal"]);

/** Reports whether the same request may be accepted later. */
export function isTransient(refusal: Refusal): boolean {
  return TRANSIENT.has(refusal.code);
}
