// What only a page has: its comings and goings, and a place where a reload
// finds what was written before it. In Node.js and in workers there is neither.

/** What a page tells: `persisted` at its coming or going, that is from or into the back/forward cache, and a change of visibility. */
export interface PageHooks {
  pagehide(event: PageTransitionEvent): void;
  pageshow(event: PageTransitionEvent): void;
  visibilitychange(): void;
}

/** Listens to the page's life and returns what ends that. */
export function watchPage(hooks: PageHooks): () => void {
  const end = new AbortController();
  if (typeof document !== "undefined") {
    for (const [name, hook] of Object.entries(hooks)) addEventListener(name, hook as EventListener, end);
  }
  return () => {
    end.abort();
  };
}

/** Where the token of a membership is kept while its page reloads. */
export function tokenKey(roomId: string, userId: string, resumeKey: string): string {
  return `realtime-message:${JSON.stringify([roomId, userId, resumeKey])}`;
}

/**
 * Keeps a token for the page that comes after this one in the same tab; without
 * one, takes out what the page before left: at most once, since a duplicated tab gets a copy of what is still there.
 */
export function swapToken(key: string, token?: string): string | undefined {
  // Storage may be absent, full, or forbidden by the user; a reload is then
  // a leave and a join, and nothing else fails.
  try {
    const before = sessionStorage.getItem(key);
    if (token === undefined) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, token);
    return before ?? undefined;
  } catch {
    return undefined;
  }
}
