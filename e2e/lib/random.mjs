// Random numbers that a seed repeats.

/** @param {number} seed */
export function random(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  return {
    /** A whole number from 0 to below n. */
    below: (n) => next() % n,
    /** One of the items. */
    of: (items) => items[next() % items.length],
  };
}
