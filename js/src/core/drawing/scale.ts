/** From a value to a place on the colour scale, linear or logarithmic, between two limits. */

export interface Scale {
  kind: "linear" | "log";
  low: number;
  high: number;
  /** Magnitudes below it are drawn as ground. */
  threshold: number;
}

/** What a logarithmic scale that starts at zero starts at instead. */
export const LOG_FLOOR = 1e-4;

/** 0 at the lower limit, 1 at the upper one; outside of them below 0 and above 1. */
export function positionOf(value: number, { kind, low, high }: Scale): number {
  if (kind === "linear") return high > low ? (value - low) / (high - low) : value > high ? Infinity : -Infinity;
  const floor = Math.max(low, LOG_FLOOR);
  return value > 0 ? Math.log(value / floor) / Math.log(Math.max(high, floor * 1.001) / floor) : -Infinity;
}

/** The inverse of `positionOf`. */
export function valueAt(position: number, { kind, low, high }: Scale): number {
  if (kind === "linear") return low + position * (high - low);
  const floor = Math.max(low, LOG_FLOOR);
  return floor * (high / floor) ** position;
}

/** The entry of a 256-entry table; -1 for NaN. */
export function entryOf(value: number, scale: Scale): number {
  if (Number.isNaN(value)) return -1;
  if (Math.abs(value) < scale.threshold) return scale.low < 0 ? 127 : 0;
  return Math.max(0, Math.min(255, Math.floor(positionOf(value, scale) * 256)));
}

/** Where a scale of colours ends: a round number, the smallest not below `value`, close enough to use the colours well. */
export const niceEnd = (value: number): number => roundedUp(value, [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10]);

/** 1, 2 or 5 times a power of ten, the smallest not below `value`. */
export const niceCeiling = (value: number): number => roundedUp(value, [1, 2, 5, 10]);

function roundedUp(value: number, steps: number[]): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return Number((steps.find((step) => step * power >= value * (1 - 1e-9))! * power).toPrecision(2));
}
