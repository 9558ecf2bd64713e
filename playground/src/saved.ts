// Who takes part, as the next page of this tab has to know. The memberships
// themselves are resumed by the SDK, which keeps their tokens.

export interface Saved {
  readonly roomId: string;
  readonly userId: string;
  readonly joined: boolean;
}

const KEY = "playground";

/** The participants of the page before, in order. */
export function load(): Saved[] {
  try {
    const list: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    return Array.isArray(list) ? list.filter(isSaved) : [];
  } catch {
    return []; // storage is forbidden, or holds something else
  }
}

export function save(list: readonly Saved[]): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(list));
  } catch {
    // storage is forbidden: a reload begins anew
  }
}

function isSaved(value: unknown): value is Saved {
  const { roomId, userId, joined } = (value ?? {}) as Record<string, unknown>;
  return typeof roomId === "string" && typeof userId === "string" && typeof joined === "boolean";
}
