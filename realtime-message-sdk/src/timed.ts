import { given } from "./options.js";
import type { TimedEmitter } from "./types.js";

type Callback = (error: Error | null, response?: unknown) => void;

/** Both ways of emitting with a timeout, out of one that returns a promise. Throws if the timeout cannot work. */
export function timed<E extends object>(timeout: number, ask: (event: string, args: unknown[]) => Promise<never>): TimedEmitter<E> {
  given({ timeout });
  return {
    emit: (event, ...args) => {
      const list: unknown[] = [...args];
      const done = list.pop() as Callback;
      ask(event, list).then((response) => {
        done(null, response);
      }, done);
    },
    emitWithAck: (event, ...args) => ask(event, args),
  };
}
