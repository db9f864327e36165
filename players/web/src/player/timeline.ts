// The seek bar's arithmetic. Pure; all times in seconds.

export interface Range {
  start: number;
  end: number;
}

/** A browser's TimeRanges as data. */
export function ranges(t: TimeRanges): Range[] {
  return Array.from({ length: t.length }, (_, i) => ({ start: t.start(i), end: t.end(i) }));
}

/** The end of the range that holds at, or at itself: how far playing can go on without new data. */
export function bufferedUntil(list: readonly Range[], at: number): number {
  const slack = 0.1; // players jump such gaps
  return list.find((r) => r.start - slack <= at && at <= r.end + slack)?.end ?? at;
}

/** A range as left and width in percent of a bar that shows [0, length]. */
export function span(r: Range, length: number): { left: number; width: number } {
  if (!(length > 0)) return { left: 0, width: 0 };
  const left = clamp(r.start / length, 0, 1);
  return { left: left * 100, width: (clamp(r.end / length, 0, 1) - left) * 100 };
}

/** The time under a pointer at x of a bar. */
export function timeAt(x: number, bar: { left: number; width: number }, length: number): number {
  return bar.width > 0 ? clamp((x - bar.left) / bar.width, 0, 1) * length : 0;
}

/** Where a wish to seek goes: never before 0 nor beyond what can be played. */
export function seekTarget(wish: number, end: number): number {
  return clamp(wish, 0, Math.max(0, end));
}

export function clamp(n: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, n));
}

/** The speeds on offer. */
export const speeds: readonly number[] = [0.5, 0.75, 1, 1.25, 1.5, 2];

/** The speed so many steps from one. */
export function speedStep(from: number, steps: number): number {
  const nearest = speeds.reduce((best, s, i) => (Math.abs(s - from) < Math.abs((speeds[best] ?? 1) - from) ? i : best), 0);
  return speeds[clamp(nearest + steps, 0, speeds.length - 1)] ?? 1;
}
