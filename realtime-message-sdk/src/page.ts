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
  return typeof document === "undefined" ? nothing : listen(hooks as unknown as Listeners);
}

/** Calls the listener when the network is back, and returns what ends that. */
export function watchNetwork(online: () => void): () => void {
  // A service worker may add listeners only while its script runs for the first time.
  return "ServiceWorkerGlobalScope" in globalThis ? nothing : listen({ online });
}

type Listeners = Readonly<Record<string, EventListener>>;

function listen(listeners: Listeners): () => void {
  if (typeof addEventListener !== "function") return nothing;
  const end = new AbortController();
  for (const [name, listener] of Object.entries(listeners)) addEventListener(name, listener, end);
  return () => {
    end.abort();
  };
}

function nothing(): void {
  // nothing was begun
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
