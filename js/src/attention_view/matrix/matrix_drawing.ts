/** Draws a matrix: its cells below, and above them what is pointed at and selected. */

import { type Frame, forVisible } from "../../core/attention/matrix_frame";
import { type Pattern, read } from "../../core/attention/pattern";
import { paint, type Raster, type Window } from "../../core/attention/raster";
import type { Table } from "../../core/drawing/colour";
import { hatching } from "../../core/drawing/hatching";
import type { Scale } from "../../core/drawing/scale";
import type { Theme } from "../../core/elements/theme";

/** Below this many pixels a cell carries no mark of its own. */
const MARKED_CELL = 8;

export interface Place {
  x(key: number): number;
  y(query: number): number;
  cell: number;
}

export const placeOf = ({ left, top, side }: Frame, { query, key, span }: Window): Place => ({
  x: (at) => left + ((at - key) / span) * side,
  y: (at) => top + ((at - query) / span) * side,
  cell: side / span,
});

/** Draw the cells of a raster. */
export function drawCells(
  pen: CanvasRenderingContext2D,
  raster: Raster,
  size: number,
  frame: Frame,
  window: Window,
  scale: Scale,
  table: Table,
  theme: Theme,
): void {
  const place = placeOf(frame, window);
  pen.save();
  pen.beginPath();
  pen.rect(frame.left, frame.top, frame.side, frame.side);
  pen.clip();
  if (raster.values.some(Number.isNaN)) {
    triangle(pen, place, size);
    pen.fillStyle = hatching(pen, theme);
    pen.fill();
  }
  pen.imageSmoothingEnabled = false;
  const pixel = place.cell * raster.cells;
  pen.drawImage(
    paint(raster, scale, table),
    place.x(raster.key),
    place.y(raster.query),
    raster.width * pixel,
    raster.height * pixel,
  );
  triangle(pen, place, size);
  pen.strokeStyle = theme.line;
  pen.stroke();
  pen.restore();
}

/** A corner cut from each cell above the upper limit, where cells are large enough to carry one. */
export function drawClipMarks(
  pen: CanvasRenderingContext2D,
  pattern: Pattern,
  frame: Frame,
  window: Window,
  high: number,
  theme: Theme,
): void {
  const { x, y, cell } = placeOf(frame, window);
  if (cell < MARKED_CELL) return;
  const corner = Math.max(4, cell * 0.3);
  pen.fillStyle = theme.ground;
  pen.beginPath();
  forVisible(window, pattern.size, (query, key) => {
    if (!(Math.abs(read(pattern, query, key).value) > high)) return;
    const [right, top] = [x(key + 1), y(query)];
    pen.moveTo(right, top);
    pen.lineTo(right - corner, top);
    pen.lineTo(right, top + corner);
  });
  pen.fill();
}

/** Light lines around the row and column of a cell. */
export function drawCross(
  pen: CanvasRenderingContext2D,
  frame: Frame,
  window: Window,
  query: number | undefined,
  key: number | undefined,
  theme: Theme,
): void {
  if (query === undefined) return;
  const { x, y, cell } = placeOf(frame, window);
  const thick = Math.max(cell, 2);
  pen.save();
  pen.beginPath();
  pen.rect(frame.left, frame.top, frame.side, frame.side);
  pen.clip();
  pen.strokeStyle = theme.dim;
  pen.strokeRect(x(0) + 0.5, y(query) - 0.5, x(query + 1) - x(0), thick + 1);
  if (key !== undefined && key <= query) {
    pen.strokeRect(x(key) - 0.5, y(key) + 0.5, thick + 1, frame.top + frame.side - y(key));
    pen.strokeStyle = theme.ink;
    pen.lineWidth = 2;
    pen.strokeRect(x(key) - 1, y(query) - 1, thick + 2, thick + 2);
  }
  pen.restore();
}

/** Bands along the axes for selected tokens. */
export function drawSelected(
  pen: CanvasRenderingContext2D,
  frame: Frame,
  window: Window,
  tokens: number[],
  theme: Theme,
): void {
  const { x, y, cell } = placeOf(frame, window);
  const thick = Math.max(cell, 2);
  pen.save();
  pen.beginPath();
  pen.rect(frame.left - 4, frame.top - 4, frame.side + 4, frame.side + 4);
  pen.clip();
  pen.fillStyle = theme.select;
  for (const token of tokens) {
    if (y(token) >= frame.top - 1 && y(token) < frame.top + frame.side)
      pen.fillRect(frame.left - 4, y(token), 3, thick);
    if (x(token) >= frame.left - 1 && x(token) < frame.left + frame.side)
      pen.fillRect(x(token), frame.top - 4, thick, 3);
  }
  pen.restore();
}

/** The causal triangle's outline: steps where cells are large, a slope where they are small. */
function triangle(pen: CanvasRenderingContext2D, { x, y, cell }: Place, size: number): void {
  pen.beginPath();
  pen.moveTo(x(0) + 0.5, y(0));
  if (cell >= 4)
    for (let at = 0; at < size; at++) {
      pen.lineTo(x(at + 1) - 0.5, y(at) + 0.5);
      pen.lineTo(x(at + 1) - 0.5, y(at + 1) - 0.5);
    }
  else pen.lineTo(x(size) - 0.5, y(size) - 0.5);
  pen.lineTo(x(0) + 0.5, y(size) - 0.5);
  pen.closePath();
}
