/** The curve as SVG text: faithfulness with its interval, the metric, and what random edges do. */

import type { Theme } from "../../core/elements/theme";
import { xml } from "../../core/export/files";
import { count, significant } from "../../core/format";
import { endsOf, isKnown, type Measurements, metricDiffers, positionOf, ticksOf } from "./measurements";

export interface ChartRoom {
  width: number;
  height: number;
}

export interface Chart {
  svg: string;
  x(edges: number): number;
  y(faithfulness: number): number;
  bottom: number;
}

export const [LEFT, RIGHT, TOP, BOTTOM] = [32, 56, 8, 20];

const round = (value: number): number => Math.round(value * 10) / 10;

export function chartOf(
  curve: Partial<Measurements>,
  most: number,
  now: number | null | undefined,
  theme: Theme,
  { width, height }: ChartRoom,
): Chart {
  const [low, high] = endsOf(curve, now);
  const plot = { width: Math.max(40, width - LEFT - RIGHT), height: Math.max(16, height - TOP - BOTTOM) };
  const x = (n: number): number => LEFT + positionOf(n, most) * plot.width;
  const y = (value: number): number =>
    TOP + ((high - Math.max(low, Math.min(high, value))) / (high - low)) * plot.height;
  const bottom = TOP + plot.height;
  const parts: string[] = [];
  for (const n of ticksOf(most)) {
    const words = n >= 10_000 && n < most ? `${n / 1000}k` : count(n);
    parts.push(
      `<path d="M${round(x(n))} ${bottom}v4" stroke="${theme.dim}"/><text x="${round(x(n))}" y="${bottom + 15}" text-anchor="middle">${words}</text>`,
    );
  }
  for (const value of [0, 1])
    parts.push(
      `<path d="M${LEFT} ${round(y(value))}h${round(plot.width)}" stroke="${theme.line}"/><text x="${LEFT - 6}" y="${round(y(value) + 4)}" text-anchor="end">${value}</text>`,
    );
  if (!isKnown(curve)) return { svg: parts.join(""), x, y, bottom };
  const { full, empty } = curve;
  if (full !== null && empty !== null)
    for (const [value, at] of [
      [empty, 0],
      [full, 1],
    ] as const)
      parts.push(`<text x="${LEFT + plot.width + 6}" y="${round(y(at) + 4)}">${xml(significant(value))}</text>`);
  const line = (values: (number | null)[]): string => {
    let [path, pen] = ["", "M"];
    values.forEach((value, at) => {
      if (value === null || curve.n_edges[at] === undefined) return void (pen = "M");
      path += `${pen}${round(x(curve.n_edges[at]))} ${round(y(value))}`;
      pen = "L";
    });
    return path;
  };
  if (curve.low.length && curve.low.every((value) => value !== null) && curve.high.every((value) => value !== null)) {
    const back = curve.n_edges.map((n, at) => `${round(x(n))} ${round(y(curve.high[at]!))}`).reverse();
    parts.push(`<path d="${line(curve.low)}L${back.join("L")}Z" fill="${theme.ink}" fill-opacity=".12"/>`);
  }
  for (const draw of curve.random)
    parts.push(`<path d="${line(draw)}" fill="none" stroke="${theme.dim}" stroke-dasharray="2 3"/>`);
  if (metricDiffers(curve) && full !== null && empty !== null)
    parts.push(
      `<path d="${line(curve.metric.map((value) => (value === null ? null : (value - empty) / (full - empty))))}" fill="none" stroke="${theme.accent}" stroke-dasharray="6 3"/>`,
    );
  parts.push(`<path d="${line(curve.faithfulness)}" fill="none" stroke="${theme.ink}" stroke-width="1.5"/>`);
  curve.faithfulness.forEach((value, at) => {
    if (value !== null)
      parts.push(`<circle cx="${round(x(curve.n_edges[at]!))}" cy="${round(y(value))}" r="2" fill="${theme.ink}"/>`);
  });
  return { svg: parts.join(""), x, y, bottom };
}

/** What the lines are: [how it is drawn, what it is]. */
export function chartKeys(
  curve: Partial<Measurements>,
  metric: string,
): [dash: string, ink: "ink" | "dim" | "accent", text: string][] {
  if (!isKnown(curve)) return [];
  const draws = curve.random.filter((draw) => draw.length).length;
  return [
    ["", "ink", "strongest edges"],
    ...(draws
      ? [["2 3", "dim", draws === 1 ? "random edges" : `random edges, ${draws} draws`] as [string, "dim", string]]
      : []),
    ...(metricDiffers(curve) ? [["6 3", "accent", metric] as [string, "accent", string]] : []),
  ];
}
