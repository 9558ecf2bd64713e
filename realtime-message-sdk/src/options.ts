import { LONGEST_TIMER_MS } from "./retry.js";
import type { PresenceOptions } from "./types.js";

/** Presence options with the defaults filled in. */
export type PresenceSettings = { readonly [K in keyof PresenceOptions]-?: NonNullable<PresenceOptions[K]> };

/** Options without those that are undefined. */
export type Given<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** The least that a number may be, and the most if that is not the longest timer. */
const BOUNDS = new Map<string, readonly [least: number, most?: number]>([
  ["heartbeatIntervalMs", [100]],
  ["heartbeatAckTimeoutMs", [100]],
  ["maxMissedHeartbeats", [1]],
  ["graceMs", [0]],
  ["pageGraceMs", [0]],
  ["reconnectionAttempts", [1, Infinity]],
  ["reconnectionDelay", [1]],
  ["reconnectionDelayMax", [1]],
  ["randomizationFactor", [0, 1]],
  ["requestTimeout", [0]],
  ["timeout", [1]],
]);

/**
 * A copy of the options without those that are undefined, which count as left
 * out. Throws a RangeError or a TypeError that names a number that cannot work.
 */
export function given<T extends object>(options: T | undefined): Given<T> {
  const entries = Object.entries(options ?? {}).filter(([, value]) => value !== undefined);
  for (const [name, value] of entries) {
    const [least, most = LONGEST_TIMER_MS] = BOUNDS.get(name) ?? [];
    if (least !== undefined && !(typeof value === "number" && value >= least && value <= most)) {
      const Kind = typeof value === "number" ? RangeError : TypeError;
      throw new Kind(`${name} must be a number from ${least} to ${most}, not ${String(value)}.`);
    }
  }
  return Object.fromEntries(entries) as Given<T>;
}
