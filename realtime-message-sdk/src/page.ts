// What a page has: its comings and goings, and a place where a reload finds what
// was written before it. In Node.js there is neither.

/** What a window tells: the comings and goings of its page, from and into the back/forward cache if `persisted`, and of the network. */
export interface WindowListeners {
  pagehide(event: PageTransitionEvent): void;
  pageshow(event: PageTransitionEvent): void;
  visibilitychange(): void;
  online(): void;
}

/** Adds the listeners, and returns what removes them. */
export function watch(listeners: WindowListeners): () => void {
  // A service worker may add listeners only while its script runs for the first time.
  if (typeof addEventListener !== "function" || "ServiceWorkerGlobalScope" in globalThis) return () => undefined;
  const end = new AbortController();
  for (const [name, listener] of Object.entries(listeners)) addEventListener(name, listener as EventListener, end);
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
