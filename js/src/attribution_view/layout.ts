/** Where the map and the running total beside it stand: they share their rows. Plain arithmetic. */

export interface Room {
  width: number;
  height: number;
}

export interface Frame {
  left: number;
  top: number;
  cellWidth: number;
  rowHeight: number;
  rows: number;
  columns: number;
  /** Columns from this one on stand after a gap. */
  heads: number;
  gap: number;
  /** The running total. */
  total: { left: number; width: number };
  /** Right edge of the numbers beside it. */
  right: number;
}

export const HEADER = 34;
export const FOOTER = 30;
const [WIDEST, TALLEST] = [40, 30];
const GAP = 8;
/** Below this a cell's size may be a fraction of a pixel: a whole number would waste too much room. */
const WHOLE = 10;
/** Between map and running total. */
const BETWEEN = 28;
const NUMBERS = 52;
const LEAST_TOTAL = 120;
const MOST_TOTAL = 560;

export function frameOf(room: Room, gutter: number, rows: number, columns: number, heads: number): Frame {
  const gap = heads > 0 && heads < columns ? GAP : 0;
  const free = Math.max(0, room.width - gutter - BETWEEN - NUMBERS - gap);
  const across = Math.max(free * 0.58, free - MOST_TOTAL) / Math.max(1, columns);
  const least = Math.max(0, free - LEAST_TOTAL) / Math.max(1, columns);
  const cell = Math.min(WIDEST, across, Math.max(1, least));
  const down = Math.max(1, (room.height - HEADER - FOOTER) / Math.max(1, rows));
  const cellWidth = cell >= WHOLE ? Math.floor(cell) : cell;
  const rowHeight = Math.min(TALLEST, down >= WHOLE ? Math.floor(down) : down);
  const end = gutter + cellWidth * columns + gap;
  const left = end + BETWEEN;
  const width = Math.max(20, Math.min(MOST_TOTAL, room.width - NUMBERS - left));
  return {
    left: gutter,
    top: HEADER,
    cellWidth,
    rowHeight,
    rows,
    columns,
    heads,
    gap,
    total: { left, width },
    right: left + width + NUMBERS - 2,
  };
}

/** Edges of a cell, on whole pixels so that there are no seams: left, top, width, height. */
export function cellOf(frame: Frame, row: number, column: number): [number, number, number, number] {
  const [left, top] = [Math.round(xOf(frame, column)), Math.round(yOf(frame, row))];
  const right = Math.round(xOf(frame, column) + frame.cellWidth);
  return [left, top, Math.max(1, right - left), Math.max(1, Math.round(yOf(frame, row + 1)) - top)];
}

export const xOf = (frame: Frame, column: number): number =>
  frame.left + column * frame.cellWidth + (column >= frame.heads ? frame.gap : 0);
export const yOf = (frame: Frame, row: number): number => frame.top + row * frame.rowHeight;
export const bottomOf = (frame: Frame): number => yOf(frame, frame.rows);

/** Where the pointer is: a row, and a column of the map, or the running total (one beyond the last column). */
export function spotAt(frame: Frame, x: number, y: number): { row: number; column: number } | undefined {
  const row = Math.floor((y - frame.top) / frame.rowHeight);
  if (row < 0 || row >= frame.rows) return undefined;
  if (x >= frame.total.left - 6) return x <= frame.right ? { row, column: frame.columns } : undefined;
  const before = Math.floor((x - frame.left) / frame.cellWidth);
  const column = before < frame.heads ? before : Math.floor((x - frame.left - frame.gap) / frame.cellWidth);
  const inside = column >= 0 && column < frame.columns && (before < frame.heads || column >= frame.heads);
  return inside ? { row, column } : undefined;
}

/** An axis with round numbers. */
export interface Axis {
  low: number;
  high: number;
  ticks: number[];
}

export function axisOf(values: readonly number[], most = 5): Axis {
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const span = high - low || 1;
  const power = 10 ** Math.floor(Math.log10(span / most));
  const step = [1, 2, 5, 10].find((size) => span / (size * power) <= most)! * power;
  const ticks: number[] = [];
  for (let at = Math.ceil(low / step - 1e-9); at <= high / step + 1e-9; at++)
    ticks.push(Number((at * step).toPrecision(6)));
  return { low, high: high === low ? 1 : high, ticks };
}

export const along = (frame: Frame, { low, high }: Axis, value: number): number =>
  frame.total.left + ((value - low) / (high - low)) * frame.total.width;

/** Where the bar of a step stands in its row: the first at the bottom. */
export function barOf(frame: Frame, row: number, step: number, steps: number): { top: number; height: number } {
  const inset = frame.rowHeight >= 10 ? 2 : frame.rowHeight >= 5 ? 0.5 : 0;
  const each = (frame.rowHeight - 2 * inset) / Math.max(1, steps);
  return { top: yOf(frame, row) + inset + each * (steps - 1 - step), height: Math.max(1, each - (each > 4 ? 1 : 0)) };
}
