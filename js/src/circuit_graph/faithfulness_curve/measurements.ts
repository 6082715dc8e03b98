/** Faithfulness and metric against the number of edges: the trait `curve`, and its axes. */

type Numbers = (number | null)[];

export interface Measurements {
  n_edges: number[];
  faithfulness: Numbers;
  /** Ends of the interval over prompts; empty where there is none. */
  low: Numbers;
  high: Numbers;
  metric: Numbers;
  /** Faithfulness of circuits of random edges, [draw][point]. */
  random: Numbers[];
  full: number | null;
  empty: number | null;
  /** What it was measured on, in words. */
  pairs: string;
}

export const isKnown = (curve: Partial<Measurements>): curve is Measurements => !!curve.n_edges?.length;

/** From a number of edges to 0..1, and back: few edges have room, as on a logarithmic scale that has a 0. */
export const positionOf = (n: number, most: number): number => Math.log1p(n) / Math.log1p(most || 1);
export const edgesAt = (position: number, most: number): number =>
  Math.round(Math.expm1(Math.max(0, Math.min(1, position)) * Math.log1p(most || 1)));

/** Ends of the axis of faithfulness: 0 and 1 are on it, and outliers do not flatten the rest. */
export function endsOf(curve: Partial<Measurements>, now: number | null | undefined): [number, number] {
  const all = [
    ...(curve.faithfulness ?? []),
    ...(curve.low ?? []),
    ...(curve.high ?? []),
    ...(curve.random ?? []).flat(),
    now,
  ].filter((value): value is number => typeof value === "number");
  const low = Math.max(-1, Math.min(0, ...all));
  const high = Math.min(2, Math.max(1, ...all));
  return [low < 0 ? low - 0.04 : 0, high > 1 ? high + 0.04 : 1];
}

/** Whether the metric says something else than faithfulness: where that is of means, it is the same line on another axis. */
export function metricDiffers({ faithfulness, metric, full, empty }: Measurements): boolean {
  if (full === null || empty === null || full === empty) return false;
  return metric.some(
    (value, at) =>
      value !== null &&
      faithfulness[at] !== null &&
      Math.abs((value - empty) / (full - empty) - faithfulness[at]!) > 0.01,
  );
}

/** Numbers of edges for the axis: 1, 10, 100 ... and the whole. */
export function ticksOf(most: number): number[] {
  const ticks = [0];
  for (let n = 1; n < most; n *= 10) ticks.push(n);
  // The last power of ten makes room for the whole.
  while (ticks.length > 2 && positionOf(most, most) - positionOf(ticks.at(-1)!, most) < 0.07) ticks.pop();
  return [...ticks, most];
}

/** The point nearest to a number of edges, on the axis. */
export function nearest(curve: Measurements, n: number, most: number): number {
  const away = (at: number): number => Math.abs(positionOf(curve.n_edges[at]!, most) - positionOf(n, most));
  return curve.n_edges.reduce((best, _, at) => (away(at) < away(best) ? at : best), 0);
}
