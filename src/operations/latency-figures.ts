/** The middle of these numbers, between the two middle ones of an even count; `null` of none. Pure. */
export function medianOf(numbers: readonly number[]): number | null {
  const sorted = [...numbers].sort((a, b) => a - b);
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.floor(sorted.length / 2)]];
  return low === undefined || high === undefined ? null : (low + high) / 2;
}

/** The smallest of these numbers that so many per cent of them do not exceed (nearest rank); `null` of none. Pure. */
export function percentileOf(numbers: readonly number[], percent: number): number | null {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? null;
}

/** A time as people compare them: three figures, in µs, ms or s. Pure. */
export function showDuration(seconds: number): string {
  const [value, unit] = seconds < 0.000_999_5 ? [seconds * 1e6, 'µs'] : seconds < 0.999_5 ? [seconds * 1e3, 'ms'] : [seconds, 's'];
  return `${unit === 'µs' ? value.toFixed(0) : value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2)} ${unit}`;
}
