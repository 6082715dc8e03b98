/** The drawing of a sweep, as SVG text: KL divergence and logit difference over the strength of one slider. */

import { niceCeiling } from "../../core/drawing/scale";
import type { Theme } from "../../core/elements/theme";
import { steady } from "../../core/format";
import { strengthText } from "../sliders/sliders";
import type { Sweep } from "./sweeps";

export interface Chart {
  svg: string;
  x: (strength: number) => number;
  strengthAt: (x: number) => number;
  bottom: number;
}

const TOP = 8;
const BOTTOM = 18;
const SIDE = 40;

const round = (value: number): number => Math.round(value * 10) / 10;

/** KL on the left axis, from 0; the difference on the right one, around 0. */
export function chartOf(
  { strengths, kl, difference, fluent }: Sweep,
  theme: Theme,
  { width, height }: { width: number; height: number },
): Chart {
  const [low, high] = [strengths[0]!, strengths.at(-1)!];
  const inner = Math.max(20, width - 2 * SIDE);
  const bottom = height - BOTTOM;
  const x = (strength: number): number => SIDE + ((strength - low) / (high - low)) * inner;
  const known = (difference ?? []).filter((value) => value !== null);
  const [most, reach] = [niceCeiling(Math.max(...kl, 0.01)), niceCeiling(Math.max(...known.map(Math.abs), 0.01))];
  const left = (value: number): number => bottom - (value / most) * (bottom - TOP);
  const right = (value: number): number => bottom - ((value + reach) / (2 * reach)) * (bottom - TOP);
  const line = (values: (number | null)[], y: (value: number) => number, style: string): string => {
    let path = "";
    values.forEach(
      (value, at) =>
        value !== null &&
        (path += `${path && values[at - 1] !== null ? "L" : "M"}${round(x(strengths[at]!))} ${round(y(value))}`),
    );
    return `<path d="${path}" fill="none" ${style}/>`;
  };
  const text = (value: string, at: number, y: number, anchor: string, fill = theme.dim): string =>
    `<text x="${round(at)}" y="${y}" text-anchor="${anchor}" fill="${fill}">${value}</text>`;
  const parts = [];
  if (fluent)
    parts.push(
      `<rect x="${round(x(fluent[0]))}" y="${TOP}" width="${round(Math.max(2, x(fluent[1]) - x(fluent[0])))}" height="${bottom - TOP}" fill="${theme.accent}" fill-opacity="0.14"/>`,
    );
  parts.push(`<path d="M${SIDE} ${bottom + 0.5}H${SIDE + inner}" stroke="${theme.dim}" stroke-opacity="0.5"/>`);
  parts.push(text(String(most), SIDE - 6, TOP + 4, "end"), text("0", SIDE - 6, bottom + 4, "end"));
  const middle = low < 0 && high > 0 ? 0 : (low + high) / 2;
  for (const at of [low, middle, high]) parts.push(text(strengthText(at), x(at), height - 4, "middle"));
  if (known.length) {
    parts.push(
      `<path d="M${SIDE} ${round(right(0))}H${SIDE + inner}" stroke="${theme.dim}" stroke-opacity="0.5" stroke-dasharray="2 3"/>`,
    );
    for (const value of [reach, 0, -reach])
      parts.push(
        text(
          value === 0 ? "0" : `${value > 0 ? "+" : "−"}${reach}`,
          SIDE + inner + 6,
          round(right(value)) + 4,
          "start",
          theme.accent,
        ),
      );
    parts.push(line(difference!, right, `stroke="${theme.accent}" stroke-width="1.5" stroke-dasharray="5 3"`));
  }
  parts.push(line(kl, left, `stroke="${theme.ink}" stroke-width="1.5"`));
  kl.forEach((value, at) =>
    parts.push(`<circle cx="${round(x(strengths[at]!))}" cy="${round(left(value))}" r="1.5" fill="${theme.ink}"/>`),
  );
  return { svg: parts.join(""), x, strengthAt: (at) => low + ((at - SIDE) / inner) * (high - low), bottom };
}

/** What the sweep says, for readers of the screen. */
export function chartWords({ name, strengths, kl, difference, fluent, limit }: Sweep): string {
  const points = strengths.map(
    (strength, at) =>
      `${strengthText(strength)}: KL ${steady(kl[at]!)}${difference && difference[at] !== null ? `, difference ${steady(difference[at]!)}` : ""}`,
  );
  return `${name}. ${fluentWords(fluent, limit)}. ${points.join("; ")}`;
}

export const fluentWords = (fluent: [number, number] | null, limit: number): string =>
  fluent
    ? `fluent from ${strengthText(fluent[0])} to ${strengthText(fluent[1])}`
    : `nowhere fluent: the loss on the unsteered text rises by more than ${limit} nats a token`;
