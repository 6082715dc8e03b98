/** Where the cells of a map stand. Plain arithmetic. */

/** The columns on show: `span` of them from `first` on; may be fractions. */
export interface Window {
  first: number;
  span: number;
}

/** Room around the cells, for labels and sums. */
export interface Room {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export interface Frame {
  left: number;
  top: number;
  /** Of all cells on show. */
  width: number;
  height: number;
  cellWidth: number;
  cellHeight: number;
  first: number;
  span: number;
  /** A gap of `gap` pixels stands before this column. */
  gapBefore: number;
  gap: number;
}

export const WIDEST = 40;
export const TALLEST = 28;
const GAP = 8;
/** Below this a cell's size may be a fraction of a pixel: a whole number would waste too much room. */
const WHOLE = 4;

/** Cells as large as fit, of a whole number of pixels where they are large enough, so that they are all alike. */
export function frameOf(
  width: number,
  height: number,
  room: Room,
  rows: number,
  columns: number,
  { first, span }: Window,
  gapBefore: number,
): Frame {
  const gap = gapBefore < columns ? GAP : 0;
  const across = Math.max(0.01, (width - room.left - room.right - gap) / span);
  const down = Math.max(1, (height - room.top - room.bottom) / rows);
  const cellWidth = Math.min(WIDEST, span === columns && across >= WHOLE ? Math.floor(across) : across);
  const cellHeight = Math.min(TALLEST, down >= WHOLE ? Math.floor(down) : down);
  return {
    left: room.left,
    top: room.top,
    width: cellWidth * span + gap,
    height: cellHeight * rows,
    cellWidth,
    cellHeight,
    first,
    span,
    gapBefore,
    gap,
  };
}

/** Left edge of a column; also of the one after the last. */
export function xOf(frame: Frame, column: number): number {
  return frame.left + (column - frame.first) * frame.cellWidth + (column >= frame.gapBefore ? frame.gap : 0);
}

export const yOf = (frame: Frame, row: number): number => frame.top + row * frame.cellHeight;

/** The column at `x`; may lie outside of those on show, and is undefined within the gap. */
export function columnAt(frame: Frame, x: number): number | undefined {
  const column = Math.floor(frame.first + (x - frame.left) / frame.cellWidth);
  if (!frame.gap || column < frame.gapBefore) return column;
  const beyond = Math.floor(frame.first + (x - frame.left - frame.gap) / frame.cellWidth);
  return beyond < frame.gapBefore ? undefined : beyond;
}

export const rowAt = (frame: Frame, y: number): number => Math.floor((y - frame.top) / frame.cellHeight);

/** A window pushed back into the columns. */
export function inside({ first, span }: Window, columns: number): Window {
  const size = Math.max(Math.min(4, columns), Math.min(columns, span));
  const whole = size > columns * 0.98 ? columns : size;
  return { first: Math.max(0, Math.min(columns - whole, first)), span: whole };
}

/** Zoom by `factor` with the column `at` kept in its place. */
export function zoomed(window: Window, factor: number, at: number, columns: number): Window {
  const { span } = inside({ first: 0, span: window.span * factor }, columns);
  return inside({ first: at - (at - window.first) * (span / window.span), span }, columns);
}

/** Moved as little as needed to show a column. */
export function showing({ first, span }: Window, column: number, columns: number): Window {
  return inside({ first: Math.min(column, Math.max(first, column + 1 - span)), span }, columns);
}
