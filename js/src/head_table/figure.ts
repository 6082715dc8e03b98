/** The table as an SVG: what is shown, in its order, for a paper or a slide. */

import { classHue, hexColour, magnitudeTable } from "../core/colour";
import type { Theme } from "../core/elements/theme";
import { xml } from "../core/export";
import { type Figure, gradient, round, svgOf } from "../core/figure";
import {
  headName,
  headOf,
  type NumberColumn,
  place,
  reads,
  type StripColumn,
  short,
  type Table,
  written,
} from "./columns";
import { boxesOf, queryBox, STRIP_HEIGHT } from "./grid/strips";
import { type Layout, type Measure, PAD, type Placed, ROW } from "./layout";

const MOST = 200;
const TOP = 64;

export function figureOf(
  table: Table,
  rows: Int32Array,
  layout: Layout,
  theme: Theme,
  title: string,
  measure: Measure,
  isSelected: (row: number) => boolean,
): Figure {
  const some = rows.subarray(0, MOST);
  const left = rows.length - some.length;
  const width = layout.total + 2 * PAD;
  const height = TOP + some.length * ROW + (left ? ROW : 0) + PAD;
  const out: string[] = [];
  const colours = magnitudeTable(theme.groundRgb, theme.dark);
  const clip = (words: string, most: number): string => {
    let kept = words.slice(0, 100);
    if (kept === words && measure(words) <= most) return words;
    while (kept && measure(`${kept}\u2026`) > most) kept = kept.slice(0, -1);
    return `${kept}\u2026`;
  };
  const text = (x: number, y: number, words: string, style = ""): number =>
    out.push(`<text x="${x}" y="${y}" ${style}>${xml(words)}</text>`);
  const box = (x: number, y: number, w: number, h: number, fill: string, more = ""): number =>
    out.push(`<rect x="${round(x)}" y="${round(y)}" width="${round(w)}" height="${h}" fill="${fill}" ${more}/>`);

  text(PAD, 20, title, 'font-weight="600"');
  text(PAD, 44, "head", `fill="${theme.dim}"`);
  columns(layout, ({ column, width: room, numberWidth }, x) => {
    text(x + PAD, 44, clip(column.title, room - PAD), `fill="${theme.dim}"`);
    if (column.kind === "strip") return ramp(x + PAD);
    if (column.kind === "text" || column.bare) return;
    const bar = barOf(room, numberWidth);
    const style = `fill="${theme.dim}" font-size="10"`;
    text(x + bar.from, 57, short(column.domain[0], column.digits), style);
    text(x + bar.from + bar.width, 57, short(column.domain[1], column.digits), `${style} text-anchor="end"`);
  });
  box(0, TOP - 2, width, 1, theme.line);

  some.forEach((row, i) => {
    const y = TOP + i * ROW;
    if (isSelected(row)) box(0, y, width, ROW, theme.select, 'fill-opacity=".14"');
    const letter = table.letters[row] ?? "";
    const chipped = table.letters.some(Boolean);
    if (letter) {
      box(PAD, y + 4, 16, 16, "none", `rx="2" stroke="${classHue(letter, theme.dark)}"`);
      text(
        PAD + 8,
        y + 16,
        letter === "-" ? "\u2212" : letter,
        `text-anchor="middle" font-weight="600" fill="${classHue(letter, theme.dark)}"`,
      );
    }
    text(PAD + (chipped ? 22 : 0), y + 16, headName(headOf(table, row)));
    columns(layout, ({ column, width: room, numberWidth }, x) => {
      if (column.kind === "strip") strip(column, row, x + PAD, y + (ROW - STRIP_HEIGHT) / 2, room - 2 * PAD);
      else if (column.kind === "text") text(x + PAD, y + 16, clip(reads(column.name, column.values[row]!), room - PAD));
      else numbers(column, row, x, y, room, numberWidth);
    });
  });
  if (left) text(PAD, TOP + some.length * ROW + 16, `and ${left.toLocaleString("en")} more`, `fill="${theme.dim}"`);

  function ramp(x: number): void {
    const style = `fill="${theme.dim}" font-size="10"`;
    out.push(gradient("attention", colours));
    text(x, 57, "0", style);
    box(x + 10, 49, 56, 8, "url(#attention)");
    text(x + 71, 57, "100 %", style);
  }

  function strip(column: StripColumn, row: number, x: number, y: number, wide: number): void {
    const gap = wide / column.tokens.length >= 5 ? 1 : 0;
    box(x, y + STRIP_HEIGHT - 1, wide, 1, theme.line);
    for (const one of boxesOf(column, row, wide))
      if (one.level) box(x + one.x, y + 1, one.width - gap, STRIP_HEIGHT - 2, hexColour(colours[one.level]!));
    const query = queryBox(column, row, wide);
    box(x + query.x - 0.5, y + 0.5, query.width, STRIP_HEIGHT - 1, "none", `stroke="${theme.ink}"`);
  }

  function numbers(column: NumberColumn, row: number, x: number, y: number, room: number, numberWidth: number): void {
    const value = column.values[row]!;
    const { domain, threshold, low, high } = column;
    const bar = barOf(room, numberWidth);
    const at = (v: number): number => x + bar.from + place(v, domain) * bar.width;
    text(x + PAD + numberWidth, y + 16, written(column, row), 'text-anchor="end"');
    if (column.bare) return;
    if (!Number.isNaN(value)) {
      const [from, to] = [Math.min(at(0), at(value)), Math.max(at(0), at(value))];
      box(
        from,
        y + 7,
        to - from,
        10,
        value < 0 ? theme.warn : theme.accent,
        `fill-opacity="${threshold === null || value < 0 ? 0.6 : value >= threshold ? 0.85 : 0.38}"`,
      );
    }
    if (low && high && Number.isFinite(low[row]) && Number.isFinite(high[row])) {
      const [from, to] = [round(at(low[row]!)), round(at(high[row]!))];
      out.push(
        `<path d="M${from} ${y + 9}v6M${to} ${y + 9}v6M${from} ${y + 12}H${to}" stroke="${theme.ink}" fill="none"/>`,
      );
    }
    if (threshold !== null) box(at(threshold), y + 4, 1, 16, theme.ink, 'fill-opacity=".6"');
  }

  const style = `font-family="${xml(theme.font)}" font-size="12" style="font-variant-numeric:tabular-nums"`;
  return svgOf(width, height, theme, style, out.join(""));
}

const barOf = (room: number, numberWidth: number): { from: number; width: number } => ({
  from: 2 * PAD + numberWidth,
  width: room - numberWidth - 3 * PAD,
});

function columns(layout: Layout, draw: (placed: Placed, x: number) => void): void {
  let x = layout.head;
  for (const placed of layout.placed) {
    draw(placed, x);
    x += placed.width;
  }
}
