// Figures that tests print beside what they assert.

/** The p-th percentile of the values, by nearest rank. */
export function percentile(values, p) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)];
}

/** A line such as "p50 3 ms, p99 20 ms, max 21 ms (200)". */
export function summary(values) {
  const at = (p) => `${Math.round(percentile(values, p))} ms`;
  return `p50 ${at(50)}, p99 ${at(99)}, max ${at(100)} (${values.length})`;
}
