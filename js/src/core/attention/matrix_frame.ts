/** Where the matrix and its labels stand. Plain arithmetic. */
import type { Window } from "./raster";

export { KEY_LABEL_ANGLE, LABEL_CHARACTERS, LABEL_PITCH, labelPositions, labelStep } from "../drawing/axis";

export interface Frame {
  /** The square of cells. */
  left: number;
  top: number;
  side: number;
}

/**
 * The largest square that fits beside labels of `queryWidth` and below labels of `keyHeight`; a whole number of pixels
 * a cell where cells are large enough, so that they are all alike.
 */
export function matrixFrame(
  width: number,
  height: number,
  queryWidth: number,
  keyHeight: number,
  tailWidth: number,
  span: number,
): Frame {
  const room = Math.max(40, Math.floor(Math.min(width - queryWidth - tailWidth, height - keyHeight - 2)));
  const whole = Math.min(64, Math.floor(room / span)) * span;
  const side = Number.isInteger(span) && room / span >= 3 && whole > 0 ? whole : room;
  return { left: queryWidth, top: keyHeight, side };
}

/** Zoom by `factor` with the cell under (`query`, `key`) kept in its place. */
export function zoomed(window: Window, factor: number, query: number, key: number, size: number): Window {
  let span = Math.max(Math.min(4, size), Math.min(size, window.span * factor));
  if (span > size * 0.98) span = size;
  const ratio = span / window.span;
  return inside({ query: query - (query - window.query) * ratio, key: key - (key - window.key) * ratio, span }, size);
}

/** A window pushed back into the square. */
export function inside({ query, key, span }: Window, size: number): Window {
  const clamp = (value: number): number => Math.max(0, Math.min(size - span, value));
  return { query: clamp(query), key: clamp(key), span };
}

/** A window moved as little as needed to show a cell. */
export function showing(window: Window, query: number, key: number, size: number): Window {
  const move = (first: number, at: number): number => Math.min(at, Math.max(first, at + 1 - window.span));
  return inside({ query: move(window.query, query), key: move(window.key, key), span: window.span }, size);
}

/** Visit the cells of the triangle that a window shows. */
export function forVisible(
  { query, key, span }: Window,
  size: number,
  visit: (query: number, key: number) => void,
): void {
  const lastQuery = Math.min(size, Math.ceil(query + span));
  for (let q = Math.floor(query); q < lastQuery; q++)
    for (let k = Math.floor(key), end = Math.min(q + 1, Math.ceil(key + span)); k < end; k++) visit(q, k);
}
