/** Draws the sums of rows and columns at the margins of a map. */

import { cssColour, type Table } from "../../core/drawing/colour";
import type { Theme } from "../../core/elements/theme";
import { short } from "../../core/format";
import { type Frame, xOf, yOf } from "../drawing/layout";
import type { Grid, Sum } from "./grid";

const BAR_GAP = 12;
export const ROW_BAR = 48;
export const COLUMN_BAR = 32;

/** Ends of the axis of some sums: they hold 0. */
export const endsOf = (sums: Sum[]): [number, number] => [
  Math.min(0, ...sums.map(({ sum }) => sum)),
  Math.max(0, ...sums.map(({ sum }) => sum)),
];

/** Bars of the row sums at the right and of the column sums below. */
export function drawSums(
  pen: CanvasRenderingContext2D,
  grid: Grid,
  sums: { rows: Sum[]; columns: Sum[] },
  frame: Frame,
  table: Table,
  theme: Theme,
): void {
  const ink = (sum: number): string => cssColour(table[sum < 0 ? 48 : 207]!);
  const start = frame.left + frame.width + BAR_GAP;
  const [low, high] = endsOf(sums.rows);
  const zero = start + (-low / (high - low || 1)) * ROW_BAR;
  const thick = Math.max(1, Math.min(12, frame.cellHeight - (frame.cellHeight > 4 ? 4 : 1)));
  sums.rows.forEach(({ sum }, row) => {
    const length = (sum / (high - low || 1)) * ROW_BAR;
    pen.fillStyle = ink(sum);
    pen.fillRect(
      Math.min(zero, zero + length),
      yOf(frame, row) + (frame.cellHeight - thick) / 2,
      Math.abs(length),
      thick,
    );
  });
  pen.fillStyle = theme.dim;
  pen.fillRect(zero - 0.5, frame.top, 1, frame.height);
  caption(pen, sums.rows, start + ROW_BAR / 2, frame.top + frame.height + 11, "center", theme);
  if (grid.across !== "positions") return;
  const [least, most] = endsOf(sums.columns);
  const top = frame.top + frame.height + BAR_GAP;
  const base = top + (most / (most - least || 1)) * COLUMN_BAR;
  const wide = Math.max(1, Math.min(12, frame.cellWidth - (frame.cellWidth > 4 ? 4 : 0)));
  pen.save();
  pen.beginPath();
  pen.rect(frame.left, top, frame.width, COLUMN_BAR);
  pen.clip();
  for (
    let column = Math.floor(frame.first);
    column < Math.min(grid.columns.length, frame.first + frame.span);
    column++
  ) {
    const { sum } = sums.columns[column]!;
    const length = (sum / (most - least || 1)) * COLUMN_BAR;
    pen.fillStyle = ink(sum);
    pen.fillRect(
      xOf(frame, column) + (frame.cellWidth - wide) / 2,
      Math.min(base, base - length),
      wide,
      Math.abs(length),
    );
  }
  pen.restore();
  pen.fillStyle = theme.dim;
  pen.fillRect(frame.left, base - 0.5, frame.width, 1);
  caption(pen, sums.columns, frame.left - 6, top + COLUMN_BAR / 2 - 7, "right", theme);
}

/** What the bars are, and how long the longest is. */
function caption(
  pen: CanvasRenderingContext2D,
  sums: Sum[],
  x: number,
  y: number,
  align: CanvasTextAlign,
  { dim, font }: Theme,
): void {
  pen.font = `11px ${font}`;
  pen.fillStyle = dim;
  pen.textBaseline = "middle";
  pen.textAlign = align;
  pen.fillText("sum", x, y);
  pen.fillText(boundOf(sums), x, y + 13);
  pen.textAlign = "left";
}

/** "max 1.2": the largest magnitude. */
export const boundOf = (sums: Sum[]): string => `max ${short(Math.max(...sums.map(({ sum }) => Math.abs(sum))))}`;
