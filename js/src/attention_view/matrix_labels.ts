/** The token labels of a matrix: queries at the left, keys above, rotated. */
import { columns, drawToken } from "../core/tokens";
import type { Theme } from "../core/theme";
import { KEY_LABEL_ANGLE, LABEL_CHARACTERS, LABEL_PITCH, labelPositions, labelStep, type Frame } from "./layout";
import type { Window } from "./raster";

export const LABEL_FONT_SIZE = 11;
const GAP = 6;
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
  const last = columns(tokens.at(-1) ?? "", LABEL_CHARACTERS) + number;
  const width = longest * character;
  return {
    queryWidth: withQueries ? Math.ceil(width) + GAP + 2 : 4,
    keyHeight: Math.ceil(-width * Math.sin(KEY_LABEL_ANGLE)) + GAP + 8,
    tailWidth: Math.ceil(last * character * Math.cos(KEY_LABEL_ANGLE)) + 4,
  };
}

/** How many tokens apart labels stand. */
export const stepOf = (frame: Frame, window: Window): number => labelStep(frame.side / window.span, LABEL_PITCH);

/** Draw the label of a query; `background` hides the neighbours of a label that must be seen. */
export function drawQueryLabel(pen: CanvasRenderingContext2D, tokens: string[], position: number, y: number, right: number, theme: Theme, ink: string, background = false): void {
  label(pen, tokens, position, theme, ink, (width) => {
    pen.translate(right - GAP - width, y);
    if (background) cover(pen, width, theme);
  });
}

export function drawKeyLabel(pen: CanvasRenderingContext2D, tokens: string[], position: number, x: number, bottom: number, theme: Theme, ink: string, background = false): void {
  label(pen, tokens, position, theme, ink, (width) => {
    pen.translate(x, bottom - GAP);
    pen.rotate(KEY_LABEL_ANGLE);
    if (background) cover(pen, width, theme);
  });
}

function cover(pen: CanvasRenderingContext2D, width: number, theme: Theme): void {
  pen.fillStyle = theme.ground;
  pen.fillRect(-2, -8, width + 4, 16);
}

function label(pen: CanvasRenderingContext2D, tokens: string[], position: number, theme: Theme, ink: string, place: (width: number) => void): void {
  const number = numberColumns(tokens.length) ? `${position} ` : "";
  pen.save();
  pen.font = `${LABEL_FONT_SIZE}px ${theme.mono}`;
  pen.textBaseline = "middle";
  const one = pen.measureText("0").width;
  const token = tokens[position] ?? "";
  place((columns(token, LABEL_CHARACTERS) + number.length) * one);
  pen.fillStyle = theme.dim;
  pen.fillText(number, 0, 0);
  drawToken(pen, token, number.length * one, 0, ink, theme.dim, LABEL_CHARACTERS);
  pen.restore();
}

/** All labels that fit. */
export function drawLabels(pen: CanvasRenderingContext2D, tokens: string[], frame: Frame, window: Window, theme: Theme, withQueries: boolean): void {
  const cell = frame.side / window.span;
  const step = stepOf(frame, window);
  if (withQueries)
    for (const query of labelPositions(window.query, window.span, tokens.length, step))
      drawQueryLabel(pen, tokens, query, frame.top + (query + 0.5 - window.query) * cell, frame.left, theme, theme.ink);
  for (const key of labelPositions(window.key, window.span, tokens.length, step))
    drawKeyLabel(pen, tokens, key, frame.left + (key + 0.5 - window.key) * cell, frame.top, theme, theme.ink);
}
