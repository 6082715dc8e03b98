/** How wide the columns are: enough for their numbers and names, the rest shared by the bars. */
import { shown, type Column, type NumberColumn, type Numbers, type Table, type TextColumn } from "./data";

export const ROW = 24;
export const HEADER = 44;
export const PAD = 8;
const CHIP = 22;
const ARROW = 16;
const LEAST_BAR = 48;
/** Of text where the columns do not all fit: a class has its letter beside it. */
const SHORT_TEXT = 120;
const WIDEST = { number: 220, text: 260, title: 170 };

/** Width of a text in the view's font, in pixels. */
export type Measure = (text: string) => number;

export interface Placed {
  column: Column;
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

/** All columns but layer and head, which stand together in the first one. */
export const dataColumns = (table: Table): Column[] =>
  table.columns.filter((column) => column.shown && column.name !== "layer" && column.name !== "head");

export function layoutOf(table: Table, room: number, measure: Measure): Layout {
  const head = Math.ceil(2 * PAD + (table.letters.some(Boolean) ? CHIP : 0) + Math.max(measure("head") + ARROW - CHIP, measure(longestName(table))));
  const placed = dataColumns(table).map((column) => (column.kind === "text" ? placeText(column, measure) : placeNumbers(column, measure)));
  const total = (): number => head + placed.reduce((sum, { width }) => sum + width, 0);
  const [texts, bars] = [true, false].map((wanted) => placed.filter(({ column }) => (column.kind === "text") === wanted)) as [Placed[], Placed[]];
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
  const digits = (numbers: Numbers, least: number): string => "0".repeat(Math.max(least, ...new Set([...numbers].map((n) => String(n).length))));
  return `${digits(layer, 2)}.${digits(head, 1)}`;
}

function placeText(column: TextColumn, measure: Measure): Placed {
  const long = [...new Set(column.values)].sort((a, b) => b.length - a.length).slice(0, 8);
  const widest = Math.max(0, ...long.map((text) => measure(text.slice(0, 100))));
  const width = Math.max(titleWidth(column, measure), Math.min(WIDEST.text, widest + 2 * PAD + 2));
  return { column, width: Math.ceil(width), numberWidth: 0 };
}

function placeNumbers(column: NumberColumn, measure: Measure): Placed {
  const numberWidth = Math.ceil(Math.max(...column.domain.map((end) => measure(shown(end, column.digits)))));
  const width = Math.max(titleWidth(column, measure), numberWidth + LEAST_BAR + 3 * PAD);
  return { column, width: Math.ceil(width), numberWidth };
}

const titleWidth = (column: Column, measure: Measure): number => Math.min(WIDEST.title, measure(column.title) + 2 * PAD + ARROW);
