/** How wide the columns are: enough for their numbers and names, the rest shared by the bars. */
import {
  type NumberColumn,
  type Numbers,
  type ShownColumn,
  type StripColumn,
  short,
  shown,
  shownP,
  type Table,
  type TextColumn,
} from "./columns";

export const ROW = 24;
export const HEADER = 44;
export const PAD = 8;
const CHIP = 22;
const ARROW = 16;
const LEAST_BAR = 48;
/** Of text where the columns do not all fit: a class has its letter beside it. */
const SHORT_TEXT = 120;
/** A box of a strip where there is room, and the widths of a whole strip. */
const STRIP = { box: 11, least: 96, most: 320 };
const WIDEST = { number: 220, text: 260, title: 170 };

/** Width of a text in the view's font, in pixels. */
export type Measure = (text: string) => number;

export interface Placed {
  column: ShownColumn;
  width: number;
  /** Of the number before the bar. */
  numberWidth: number;
}

export interface Layout {
  /** Of the column that names the head. */
  head: number;
  placed: Placed[];
  total: number;
}

export function layoutOf(table: Table, room: number, measure: Measure): Layout {
  const head = Math.ceil(
    2 * PAD +
      (table.letters.some(Boolean) ? CHIP : 0) +
      Math.max(measure("head") + ARROW - CHIP, measure(longestName(table))),
  );
  const placed = table.shown.map((column) => {
    if (column.kind === "strip") return placeStrip(column, measure);
    return column.kind === "text" ? placeText(column, measure) : placeNumbers(column, measure);
  });
  const total = (): number => head + placed.reduce((sum, { width }) => sum + width, 0);
  const texts = placed.filter(({ column }) => column.kind === "text");
  const bars = placed.filter(({ column }) => column.kind !== "text" && column.kind !== "strip" && !column.bare);
  if (total() > room) for (const text of texts) text.width = Math.min(text.width, SHORT_TEXT);
  widen(bars, room - total());
  return { head, placed, total: total() };
}

/** Spend `spare` pixels on the narrowest columns first, so that bars of different columns come to equal lengths. */
function widen(columns: Placed[], spare: number): void {
  const rising = columns.map(({ width }) => width).sort((a, b) => a - b);
  let level = rising[0] ?? 0;
  for (let n = 1; n <= rising.length && spare >= n; n++) {
    const next = Math.min(WIDEST.number, rising[n] ?? WIDEST.number);
    const more = Math.max(0, Math.min(next - level, Math.floor(spare / n)));
    level += more;
    spare -= more * n;
  }
  for (const column of columns) column.width = Math.max(column.width, level);
}

/** Layers stand right, heads left of the dot, so each has the room of its longest. */
function longestName({ layer, head }: Table): string {
  const digits = (numbers: Numbers, least: number): string =>
    "0".repeat(Math.max(least, ...new Set([...numbers].map((n) => String(n).length))));
  return `${digits(layer, 2)}.${digits(head, 1)}`;
}

function placeText(column: TextColumn, measure: Measure): Placed {
  const long = [...new Set(column.values)].sort((a, b) => b.length - a.length).slice(0, 8);
  const widest = Math.max(0, ...long.map((text) => measure(text.slice(0, 100))));
  const width = Math.max(titleWidth(column, measure), Math.min(WIDEST.text, widest + 2 * PAD + 2));
  return { column, width: Math.ceil(width), numberWidth: 0 };
}

function placeNumbers(column: NumberColumn, measure: Measure): Placed {
  if (column.bare) {
    const widest = Math.ceil(Math.max(0, ...new Set(Array.from(column.values, (value) => measure(shownP(value))))));
    return { column, width: Math.ceil(Math.max(titleWidth(column, measure), widest + 2 * PAD)), numberWidth: widest };
  }
  const numberWidth = Math.ceil(Math.max(...column.domain.map((end) => measure(shown(end, column.digits)))));
  const ends = column.domain.reduce((sum, end) => sum + measure(short(end, column.digits)), PAD);
  const width = Math.max(titleWidth(column, measure), numberWidth + Math.max(LEAST_BAR, ends) + 3 * PAD);
  return { column, width: Math.ceil(width), numberWidth };
}

function placeStrip(column: StripColumn, measure: Measure): Placed {
  const boxes = Math.max(STRIP.least, Math.min(STRIP.most, column.tokens.length * STRIP.box));
  return { column, width: Math.ceil(Math.max(measure(column.title) + PAD, boxes) + 2 * PAD), numberWidth: 0 };
}

const titleWidth = (column: ShownColumn, measure: Measure): number =>
  Math.min(WIDEST.title, measure(column.title) + 2 * PAD + ARROW);
