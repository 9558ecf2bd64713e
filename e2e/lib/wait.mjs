// Waiting: always for a condition, always with a deadline.

import { setTimeout as sleep } from 'node:timers/promises';

export { sleep };

/** How long a test waits for something that should happen at once. */
export const SOON_MS = 8000;

/**
 * Polls until the condition holds and returns its (truthy) value.
 * @template T
 * @param {string} what names the condition in the error
 * @param {() => T | Promise<T>} condition
 * @param {number} [ms]
 * @returns {Promise<T>}
 */
export async function until(what, condition, ms = SOON_MS) {
  const deadline = Date.now() + ms;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(5);
  }
}

/**
 * Settles like the promise, or rejects at the deadline.
 * @template T
 * @param {string} what
 * @param {Promise<T>} promise
 * @param {number} [ms]
 * @returns {Promise<T>}
 */
export async function within(what, promise, ms = SOON_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
