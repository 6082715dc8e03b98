/** The table as an SVG: what is shown, in its order, for a paper or a slide. */

import { type Table as Colours, classHue, hexColour, magnitudeTable } from "../core/drawing/colour";
import type { Theme } from "../core/elements/theme";
import { type Figure, gradient, round, svgOf } from "../core/export/figure";
import { xml } from "../core/export/files";
import {
  barKind,
  headName,
  headOf,
  type NumberColumn,
  place,
  reads,
  type StripColumn,
  short,
  type Table,
  thresholdAt,
  written,
} from "./columns";
import { boxesOf, queryBox, STRIP_HEIGHT } from "./grid/attention_strips";
import { type Layout, type Measure, PAD, type Placed, ROW } from "./layout";

const MOST = 200;
const TOP = 64;

/** What all parts of the figure are drawn with. */
interface Drawing {
  table: Table;
  layout: Layout;
  theme: Theme;
  colours: Colours;
  measure: Measure;
}

export function figureOf(
  table: Table,
  rows: Int32Array,
  layout: Layout,
  theme: Theme,
  title: string,
  measure: Measure,
  isSelected: (row: number) => boolean,
): Figure {
  const drawing = { table, layout, theme, colours: magnitudeTable(theme.groundRgb, theme.dark), measure };
  const some = rows.subarray(0, MOST);
  const left = rows.length - some.length;
  const width = layout.total + 2 * PAD;
  const height = TOP + some.length * ROW + (left ? ROW : 0) + PAD;
  const parts = [
    text(PAD, 20, title, 'font-weight="600"'),
    header(drawing),
    box(0, TOP - 2, width, 1, theme.line),
    ...Array.from(some, (row, i) => {
      const y = TOP + i * ROW;
      const ground = isSelected(row) ? box(0, y, width, ROW, theme.select, 'fill-opacity=".14"') : "";
      return ground + rowOf(drawing, row, y);
    }),
  ];
  if (left)
    parts.push(text(PAD, TOP + some.length * ROW + 16, `and ${left.toLocaleString("en")} more`, `fill="${theme.dim}"`));
  const style = `font-family="${xml(theme.font)}" font-size="12" style="font-variant-numeric:tabular-nums"`;
  return svgOf(width, height, theme, style, parts.join(""));
}

/** The names of the columns, under each the scale of its bars. */
function header(drawing: Drawing): string {
  const { layout, theme, measure } = drawing;
  const dim = `fill="${theme.dim}"`;
  return (
    text(PAD, 44, "head", dim) +
    columns(
      layout,
      (placed, x) =>
        text(x + PAD, 44, clipped(placed.column.title, placed.width - PAD, measure), dim) + scaleOf(drawing, placed, x),
    )
  );
}

function scaleOf({ theme, colours }: Drawing, { column, width, numberWidth }: Placed, x: number): string {
  const style = `fill="${theme.dim}" font-size="10"`;
  if (column.kind === "strip") return ramp(colours, x + PAD, style);
  if (column.kind === "text" || column.bare) return "";
  const bar = barOf(width, numberWidth);
  return (
    text(x + bar.from, 57, short(column.domain[0], column.digits), style) +
    text(x + bar.from + bar.width, 57, short(column.domain[1], column.digits), `${style} text-anchor="end"`)
  );
}

/** The colours of strips, with the numbers at both ends. */
const ramp = (colours: Colours, x: number, style: string): string =>
  gradient("attention", colours) +
  text(x, 57, "0", style) +
  box(x + 10, 49, 56, 8, "url(#attention)") +
  text(x + 71, 57, "100 %", style);

const rowOf = (drawing: Drawing, row: number, y: number): string =>
  headCell(drawing, row, y) + columns(drawing.layout, (placed, x) => cellOf(drawing, placed, row, x, y));

function headCell({ table, theme }: Drawing, row: number, y: number): string {
  const letter = table.letters[row] ?? "";
  const chipped = table.letters.some(Boolean);
  const name = text(PAD + (chipped ? 22 : 0), y + 16, headName(headOf(table, row)));
  if (!letter) return name;
  const hue = classHue(letter, theme.dark);
  return (
    box(PAD, y + 4, 16, 16, "none", `rx="2" stroke="${hue}"`) +
    text(PAD + 8, y + 16, letter === "-" ? "\u2212" : letter, `text-anchor="middle" font-weight="600" fill="${hue}"`) +
    name
  );
}

function cellOf(drawing: Drawing, { column, width, numberWidth }: Placed, row: number, x: number, y: number): string {
  if (column.kind === "strip")
    return stripCell(drawing, column, row, x + PAD, y + (ROW - STRIP_HEIGHT) / 2, width - 2 * PAD);
  if (column.kind === "text")
    return text(x + PAD, y + 16, clipped(reads(column.name, column.values[row]!), width - PAD, drawing.measure));
  return (
    text(x + PAD + numberWidth, y + 16, written(column, row), 'text-anchor="end"') +
    (column.bare ? "" : barCell(drawing, column, row, x, y, barOf(width, numberWidth)))
  );
}

function stripCell(
  { theme, colours }: Drawing,
  column: StripColumn,
  row: number,
  x: number,
  y: number,
  width: number,
): string {
  const gap = width / column.tokens.length >= 5 ? 1 : 0;
  const boxes = boxesOf(column, row, width)
    .filter(({ level }) => level)
    .map((one) => box(x + one.x, y + 1, one.width - gap, STRIP_HEIGHT - 2, hexColour(colours[one.level]!)));
  const query = queryBox(column, row, width);
  return (
    box(x, y + STRIP_HEIGHT - 1, width, 1, theme.line) +
    boxes.join("") +
    box(x + query.x - 0.5, y + 0.5, query.width, STRIP_HEIGHT - 1, "none", `stroke="${theme.ink}"`)
  );
}

/** The bar of a number, with its interval and the threshold. */
function barCell(
  { theme }: Drawing,
  column: NumberColumn,
  row: number,
  x: number,
  y: number,
  bar: { from: number; width: number },
): string {
  const { values, domain, low, high } = column;
  const threshold = thresholdAt(column, row);
  const value = values[row]!;
  const at = (v: number): number => x + bar.from + place(v, domain) * bar.width;
  let svg = "";
  if (!Number.isNaN(value)) {
    const [from, to] = [Math.min(at(0), at(value)), Math.max(at(0), at(value))];
    const { sign, passes } = barKind(column, row);
    const opacity = passes === undefined ? 0.7 : passes ? 0.92 : 0.4;
    svg += box(from, y + 7, to - from, 10, theme[sign], `fill-opacity="${opacity}"`);
  }
  if (low && high && Number.isFinite(low[row]) && Number.isFinite(high[row])) {
    const [from, to] = [round(at(low[row]!)), round(at(high[row]!))];
    svg += `<path d="M${from} ${y + 9}v6M${to} ${y + 9}v6M${from} ${y + 12}H${to}" stroke="${theme.ink}" fill="none"/>`;
  }
  if (threshold !== null) svg += box(at(threshold), y + 4, 1, 16, theme.ink, 'fill-opacity=".6"');
  return svg;
}

const text = (x: number, y: number, words: string, style = ""): string =>
  `<text x="${x}" y="${y}" ${style}>${xml(words)}</text>`;

const box = (x: number, y: number, width: number, height: number, fill: string, more = ""): string =>
  `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${height}" fill="${fill}" ${more}/>`;

/** So much of a text as fits. */
function clipped(words: string, most: number, measure: Measure): string {
  let kept = words.slice(0, 100);
  if (kept === words && measure(words) <= most) return words;
  while (kept && measure(`${kept}\u2026`) > most) kept = kept.slice(0, -1);
  return `${kept}\u2026`;
}

const barOf = (room: number, numberWidth: number): { from: number; width: number } => ({
  from: 2 * PAD + numberWidth,
  width: room - numberWidth - 3 * PAD,
});

function columns(layout: Layout, draw: (placed: Placed, x: number) => string): string {
  let [svg, x] = ["", layout.head];
  for (const placed of layout.placed) {
    svg += draw(placed, x);
    x += placed.width;
  }
  return svg;
}
