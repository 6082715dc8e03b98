/** The token labels of a matrix: queries at the left, keys above, rotated. */

import type { Theme } from "../elements/theme";
import { columns, drawToken } from "../tokens";
import { type Frame, KEY_LABEL_ANGLE, LABEL_CHARACTERS, LABEL_PITCH, labelPositions, labelStep } from "./matrix_frame";
import type { Window } from "./raster";

export const LABEL_FONT_SIZE = 11;
const GAP = 6;
/** At the corner of both axes, and the room that they take. */
const AXIS_NAMES = { query: "query ↓", key: "key →", characters: 7, height: 30 };
/** From so many tokens on a label says its position too: "200 ·the". */
const NUMBERED_FROM = 40;

export interface LabelRoom {
  queryWidth: number;
  keyHeight: number;
  tailWidth: number;
}

const numberColumns = (size: number): number => (size >= NUMBERED_FROM ? String(size - 1).length + 1 : 0);

/** The room that labels of these tokens take; `character` is the width of one. */
export function labelRoom(tokens: string[], character: number, withQueries: boolean): LabelRoom {
  const number = numberColumns(tokens.length);
  const longest = tokens.reduce((most, token) => Math.max(most, columns(token, LABEL_CHARACTERS)), 1) + number;
  // The last labels lean out over the right edge; each starts at least one pitch before its successor.
  const lean = tokens
    .slice(-12)
    .reverse()
    .map(
      (token, i) =>
        (columns(token, LABEL_CHARACTERS) + number) * character * Math.cos(KEY_LABEL_ANGLE) - i * LABEL_PITCH,
    );
  const width = longest * character;
  return {
    queryWidth: withQueries ? Math.ceil(Math.max(width, AXIS_NAMES.characters * character)) + GAP + 2 : 5,
    keyHeight: Math.max(AXIS_NAMES.height, Math.ceil(-width * Math.sin(KEY_LABEL_ANGLE)) + GAP + 8),
    tailWidth: Math.ceil(Math.max(0, ...lean)) + 4,
  };
}

type Draw = (
  pen: CanvasRenderingContext2D,
  tokens: string[],
  position: number,
  at: number,
  edge: number,
  theme: Theme,
  ink: string,
) => void;

const drawQueryLabel: Draw = (pen, tokens, position, y, right, theme, ink) =>
  label(pen, tokens, position, theme, ink, (width) => pen.translate(right - GAP - width, y));

const drawKeyLabel: Draw = (pen, tokens, position, x, bottom, theme, ink) =>
  label(pen, tokens, position, theme, ink, () => {
    pen.translate(x, bottom - GAP);
    pen.rotate(KEY_LABEL_ANGLE);
  });

function label(
  pen: CanvasRenderingContext2D,
  tokens: string[],
  position: number,
  theme: Theme,
  ink: string,
  place: (width: number) => void,
): void {
  const number = numberColumns(tokens.length) ? `${position} ` : "";
  pen.save();
  const one = pen.measureText("0").width;
  const token = tokens[position] ?? "";
  place((columns(token, LABEL_CHARACTERS) + number.length) * one);
  pen.fillStyle = theme.dim;
  pen.fillText(number, 0, 0);
  drawToken(pen, token, number.length * one, 0, ink, theme.dim, LABEL_CHARACTERS);
  pen.restore();
}

/** What the axes are. */
export function drawAxisNames(pen: CanvasRenderingContext2D, { left, top }: Frame, theme: Theme): void {
  pen.font = `${LABEL_FONT_SIZE}px ${theme.font}`;
  pen.fillStyle = theme.dim;
  pen.textAlign = "right";
  pen.textBaseline = "alphabetic";
  pen.fillText(AXIS_NAMES.key, left - GAP, top - 16);
  pen.fillText(AXIS_NAMES.query, left - GAP, top - 3);
  pen.textAlign = "left";
}

/** A label that is drawn whatever else is; the others make room for it. */
export interface Pinned {
  position: number;
  ink: string;
}

/** The labels that fit, pinned ones first; `queries` undefined: only those above. */
export function drawLabels(
  pen: CanvasRenderingContext2D,
  tokens: string[],
  frame: Frame,
  window: Window,
  theme: Theme,
  ink: (position: number) => string,
  queries: Pinned[] | undefined,
  keys: Pinned[],
): void {
  const cell = frame.side / window.span;
  const step = labelStep(cell, LABEL_PITCH);
  pen.font = `${LABEL_FONT_SIZE}px ${theme.mono}`;
  pen.textBaseline = "middle";
  const axis = (first: number, pinned: Pinned[], start: number, edge: number, draw: Draw): void => {
    const regular = labelPositions(first, window.span, tokens.length, step).map((position) => ({
      position,
      ink: ink(position),
    }));
    const taken: number[] = [];
    for (const { position, ink } of [...pinned, ...regular]) {
      const middle = position + 0.5 - first;
      if (middle < 0 || middle * cell > frame.side - 4) continue;
      if (taken.some((other) => Math.abs(other - position) * cell < LABEL_PITCH)) continue;
      taken.push(position);
      draw(pen, tokens, position, start + middle * cell, edge, theme, ink);
    }
  };
  if (queries) axis(window.query, queries, frame.top, frame.left, drawQueryLabel);
  axis(window.key, keys, frame.left, frame.top, drawKeyLabel);
}
