// The moments of a channel that React renders.

import type { PresenceChannel } from "./channel.js";
import type { RoomSnapshot } from "./types.js";

/** What stands in for an animation frame where none comes although the page is not hidden, as in a frame that is scrolled out of sight. */
const FRAME_AT_MOST_MS = 100;

/** A channel, or as much of it as is followed here. */
type Source<S extends object> = Pick<PresenceChannel<S>, "getSnapshot" | "subscribe">;

const all = new WeakMap<object, Frames<never>>();

/** The frames of a channel: the same ones for all who ask, so that all components show the same moment. */
export function framesOf<S extends object>(channel: Source<S>): Frames<S> {
  let frames = all.get(channel) as Frames<S> | undefined;
  if (!frames) all.set(channel, (frames = new Frames(channel)) as unknown as Frames<never>);
  return frames;
}

/**
 * A channel as a store for `useSyncExternalStore`. What others do in a room is
 * shown once per animation frame, however many events that were; own changes,
 * and everything while the page is hidden and has no frames, at once.
 */
export class Frames<S extends object> {
  readonly #source: Source<S>;
  readonly #listeners = new Set<() => void>();
  #shown: RoomSnapshot<S> | undefined; // while somebody subscribes
  #stop: (() => void) | undefined; // ends what the first subscriber began
  #cancel: (() => void) | undefined; // set while a frame is awaited

  constructor(source: Source<S>) {
    this.#source = source;
  }

  readonly getSnapshot = (): RoomSnapshot<S> => this.#shown ?? this.#source.getSnapshot();

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    this.#stop ??= this.#start();
    return () => {
      if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return;
      this.#stop?.();
      this.#stop = undefined;
    };
  };

  #start(): () => void {
    this.#shown = this.#source.getSnapshot();
    const unsubscribe = this.#source.subscribe((own) => {
      if (own || !hasFrames()) this.#show();
      else this.#cancel ??= nextFrame(this.#show);
    });
    const hidden = new AbortController();
    if (typeof document !== "undefined") {
      const showLast = () => {
        if (this.#cancel && document.hidden) this.#show();
      };
      document.addEventListener("visibilitychange", showLast, hidden);
    }
    return () => {
      hidden.abort();
      unsubscribe();
      this.#cancel?.();
      this.#cancel = this.#shown = undefined;
    };
  }

  readonly #show = (): void => {
    this.#cancel?.();
    this.#cancel = undefined;
    const now = this.#source.getSnapshot();
    if (now === this.#shown) return;
    this.#shown = now;
    for (const listener of [...this.#listeners]) listener();
  };
}

function hasFrames(): boolean {
  return typeof requestAnimationFrame === "function" && !(typeof document !== "undefined" && document.hidden);
}

/** Calls at the next animation frame, or soon if none comes. Returns what prevents it. */
function nextFrame(call: () => void): () => void {
  const frame = requestAnimationFrame(call);
  const timer = setTimeout(call, FRAME_AT_MOST_MS);
  return () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
  };
}
