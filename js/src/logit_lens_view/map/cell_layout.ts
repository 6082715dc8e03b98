/** Where cells stand on the canvas, and what there is room for in them. */
import { GUTTER, HEADER, shownRange, type View } from "../layout";
import type { State } from "../state";

/** Cells this small show no words and have no lines between them. */
export const LEAST_WORD_WIDTH = 24;
const LEAST_WORD_HEIGHT = 10;
/** Between the edge of a cell and its word. */
export const PAD = 4;

/** Narrower than this the line would cover the cells. */
export const hasSettled = ({ w }: View): boolean => w >= 6;
export const hasWords = ({ w, h }: View): boolean => w >= LEAST_WORD_WIDTH && h >= LEAST_WORD_HEIGHT;
export const fontSize = (h: number): number => (h >= 18 ? 12 : h >= 13 ? 11 : Math.floor(h) - 1);

export interface Place {
  x(column: number): number;
  y(row: number): number;
}

/** Whole pixels where cells have words, so that all lines between them are alike. */
export function placeOf(view: View): Place {
  const snap = hasWords(view) ? Math.round : (at: number): number => at;
  return {
    x: (column) => GUTTER + snap((column - view.x) * view.w),
    y: (row) => HEADER + snap((row - view.y) * view.h),
  };
}

export function forShown(state: State, visit: (row: number, column: number) => void): void {
  const [view, room] = [state.view.value, state.room.value];
  const [top, bottom] = shownRange(view.y, room.height / view.h, state.counts.rows);
  const [left, right] = shownRange(view.x, room.width / view.w, state.counts.columns);
  for (let row = top; row < bottom; row++) for (let column = left; column < right; column++) visit(row, column);
}
