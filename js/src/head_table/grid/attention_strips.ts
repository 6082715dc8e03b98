/** Attention of one head over the tokens of a prompt as a row of boxes. */

import { type Table as Colours, cssColour } from "../../core/drawing/colour";
import { context } from "../../core/elements/dom";
import type { Theme } from "../../core/elements/theme";
import { plainAt } from "../../core/tokens";
import type { StripColumn } from "../columns";

export const STRIP_HEIGHT = 14;
const NAMED = 3;

export const levelAt = ({ levels, tokens }: StripColumn, row: number, position: number): number =>
  levels[row * tokens.length + position]!;

/** In percent, with the decimal that steps of 1/255 allow. */
export const percent = (level: number): string => `${((100 * level) / 255).toFixed(1)} %`;

export interface Box {
  x: number;
  width: number;
  level: number;
}

/** The boxes of a row up to its query; where there are more tokens than pixels a box is the strongest of its tokens. */
export function boxesOf(column: StripColumn, row: number, width: number): Box[] {
  const n = column.tokens.length;
  const count = Math.min(n, Math.max(1, Math.floor(width)));
  const boxes: Box[] = [];
  for (let i = 0; i < count; i++) {
    const [first, end] = [Math.floor((i * n) / count), Math.floor(((i + 1) * n) / count)];
    if (first > column.queries[row]!) break;
    let level = 0;
    for (let at = first; at < end; at++) level = Math.max(level, levelAt(column, row, at));
    const x = Math.round((i * width) / count);
    boxes.push({ x, width: Math.round(((i + 1) * width) / count) - x, level });
  }
  return boxes;
}

/** Where the box of the query stands. */
export function queryBox(column: StripColumn, row: number, width: number): { x: number; width: number } {
  const at = (position: number): number => Math.round((position * width) / column.tokens.length);
  const query = column.queries[row]!;
  return { x: at(query), width: Math.max(3, at(query + 1) - at(query)) };
}

export function drawStrip(
  canvas: HTMLCanvasElement,
  column: StripColumn,
  row: number,
  width: number,
  theme: Theme,
  colours: Colours,
): void {
  const pen = context(canvas, width, STRIP_HEIGHT);
  pen.fillStyle = theme.line;
  pen.fillRect(0, STRIP_HEIGHT - 1, width, 1);
  const boxes = boxesOf(column, row, width);
  const gap = width / column.tokens.length >= 5 ? 1 : 0;
  for (const box of boxes) {
    pen.fillStyle = cssColour(colours[box.level]!);
    pen.fillRect(box.x, 1, box.width - gap, STRIP_HEIGHT - 2);
  }
  const query = queryBox(column, row, width);
  pen.strokeStyle = theme.ink;
  pen.strokeRect(query.x - 0.5, 0.5, query.width, STRIP_HEIGHT - 1);
}

/** The row in words: where its attention goes most. */
export function stripWords(column: StripColumn, row: number): string {
  const query = column.queries[row]!;
  const strongest = Array.from({ length: query + 1 }, (_, at) => at)
    .sort((a, b) => levelAt(column, row, b) - levelAt(column, row, a))
    .slice(0, NAMED)
    .map((at) => `${percent(levelAt(column, row, at))} ${plainAt(column.tokens, at, 20)} (${at})`);
  return `attention from ${plainAt(column.tokens, query, 20)} (${query}): ${strongest.join("; ")}`;
}

/** The token at a distance from the left end of a strip. */
export const tokenAt = (column: StripColumn, x: number, width: number): number =>
  Math.max(0, Math.min(column.tokens.length - 1, Math.floor((x / width) * column.tokens.length)));
