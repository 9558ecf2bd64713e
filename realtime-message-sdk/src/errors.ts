import type { ErrorCode, Refusal } from "./protocol.js";

/**
 * What can go wrong on this side of the wire:
 * - `disconnected`: the connection cannot be made, or was lost before the answer came;
 * - `timeout`: no answer in time;
 * - `left`: the channel left its room, or was stopped;
 * - `kicked`: the server removed the member from the room;
 * - `in_use`: the channel, or another one of the same client, is in that room already;
 * - `auth_failed`: `authProvider` threw, or returned what is no object;
 * - `refused`: the server refused the connection itself;
 * - `message_too_large`: a custom event is larger than the server takes, and was not sent;
 * - `outbox_full`: a custom event was not sent because too many wait already.
 */
export type ClientErrorCode =
  | "disconnected"
  | "timeout"
  | "left"
  | "kicked"
  | "in_use"
  | "auth_failed"
  | "refused"
  | "message_too_large"
  | "outbox_full";

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

/** The error of what cannot be made JSON. */
export function notSendable(what: string, cause: unknown): RealtimeError {
  return new RealtimeError("invalid_payload", `${what} cannot be sent: ${(cause as Error).message}.`, { cause });
}

/** Refusals that say nothing about the request: the same one may be accepted later. */
const TRANSIENT: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["rate_limited", "unavailable", "shutting_down", "internal"]);

/** Reports whether the same request may be accepted later. */
export function isTransient(refusal: Refusal): boolean {
  return TRANSIENT.has(refusal.code);
}

/** What the server says by itself when it refuses a connection, without a code. */
const NO_NAMESPACE = "Invalid namespace";
const SERVER_FAULT = "internal error";

/**
 * What a refused connection means. `transient`: it says nothing about the
 * login; `hopeless`: no login changes it.
 */
export function refusedConnection(cause: Error & { data?: unknown }): { error: RealtimeError; transient: boolean; hopeless: boolean } {
  const { code, retryAfterMs } = (cause.data ?? {}) as Partial<Refusal>;
  const reason = cause.message === SERVER_FAULT ? "internal" : code;
  const transient = reason !== undefined && TRANSIENT.has(reason);
  const hopeless = cause.message === NO_NAMESPACE;
  const message = hopeless
    ? `${NO_NAMESPACE}: the path in baseUrl is none that the server has. A path of the server itself is the option path.`
    : cause.message;
  return { error: new RealtimeError(transient ? reason : "refused", message, { cause, retryAfterMs }), transient, hopeless };
}
