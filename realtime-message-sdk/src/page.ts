// What only a page has: its comings and goings, and a place where a reload
// finds what was written before it. In Node.js and in workers there is neither.

/** What a page tells. */
export interface PageHooks {
  /** It goes away: for a reload, for good, or (`cached`) perhaps into the back/forward cache. */
  hide(cached: boolean): void;
  /** It is back from the back/forward cache. */
  show(): void;
  /** It can be seen again. */
  wake(): void;
}

/** Listens to the page's life and returns what ends that. */
export function watchPage(hooks: PageHooks): () => void {
  if (typeof document === "undefined") return () => undefined;
  const end = new AbortController();
  const { signal } = end;
  const hide = ({ persisted }: PageTransitionEvent) => {
    hooks.hide(persisted);
  };
  const show = ({ persisted }: PageTransitionEvent) => {
    if (persisted) hooks.show();
  };
  const change = () => {
    if (!document.hidden) hooks.wake();
  };
  addEventListener("pagehide", hide, { signal });
  addEventListener("pageshow", show, { signal });
  document.addEventListener("visibilitychange", change, { signal });
  return () => {
    end.abort();
  };
}

/** Where the token of a membership is kept while its page reloads. */
export function tokenKey(roomId: string, userId: string, resumeKey: string): string {
  return `realtime-message:${JSON.stringify([roomId, userId, resumeKey])}`;
}

/** Keeps a token for the page that comes after this one in the same tab. */
export function saveToken(key: string, token: string): void {
  storage((store) => {
    store.setItem(key, token);
  });
}

/** The token that the page before left, at most once: a duplicated tab gets a copy of what is still there. */
export function takeToken(key: string): string | undefined {
  return storage((store) => {
    const token = store.getItem(key);
    store.removeItem(key);
    return token ?? undefined;
  });
}

// Storage may be absent, full, or forbidden by the user; a reload is then
// a leave and a join, and nothing else fails.
function storage<T>(use: (store: Storage) => T): T | undefined {
  try {
    return typeof sessionStorage === "undefined" ? undefined : use(sessionStorage);
  } catch {
    return undefined;
  }
}
