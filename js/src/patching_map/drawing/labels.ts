/** The labels of a map: layers at the left, tokens or heads above. */
import { KEY_LABEL_ANGLE, LABEL_CHARACTERS, LABEL_PITCH, labelPositions, labelStep } from "../../core/drawing/axis";
import type { Theme } from "../../core/elements/theme";
import { columns as charactersOf, drawToken } from "../../core/tokens";
import type { Grid, Line } from "../cells/grid";
import { type Frame, xOf, yOf } from "./layout";

const SIZE = 11;
const GAP = 6;
/** Numbers need less room across than slanted tokens, and none beyond their neighbours'. */
const NUMBER_PITCH = 20;
/** From so many positions on a label says its number too: "200 ·the". */
const NUMBERED_FROM = 40;

/** How wide texts are: tokens in the host's monospaced font, the rest in its own. */
export interface Measures {
  token: number;
  text(text: string): number;
}

let known: [string, Measures] | undefined;
export function measuresOf({ mono, font }: Theme): Measures {
  if (known?.[0] === mono + font) return known[1];
  const pen = document.createElement("canvas").getContext("2d")!;
  pen.font = `${SIZE}px ${mono}`;
  const token = pen.measureText("0").width;
  pen.font = `${SIZE}px ${font}`;
  const measures = { token, text: (text: string) => pen.measureText(text).width };
  known = [mono + font, measures];
  return measures;
}

const numbered = (grid: Grid): boolean => grid.columns.length >= NUMBERED_FROM;
const charactersIn = (grid: Grid, { text, position }: Line): number =>
  charactersOf(text, LABEL_CHARACTERS) + (numbered(grid) ? `${position} `.length : 0);

/** Room for the labels of the rows, with their title beside them and that of the columns above. */
export function rowRoom(grid: Grid, { text }: Measures): number {
  const rows = Math.max(...grid.rows.map((row) => text(row.text))) + (grid.down ? 16 : 0);
  // below the rows stands what the longest bar of a column is
  return Math.ceil(Math.max(rows, text(grid.across === "heads" ? "head" : "max 0.00")) + GAP + 2);
}

/** Whether the labels above stand upright: all fit over their cells. */
export function upright(grid: Grid, cellWidth: number, { token }: Measures): boolean {
  return grid.across === "heads" || grid.columns.every((line) => charactersIn(grid, line) * token <= cellWidth - 4);
}

/** Room above the cells, and how far the last slanted labels lean out over the right edge. */
export function columnRoom(grid: Grid, cellWidth: number, measures: Measures): { height: number; tail: number } {
  if (grid.across === "heads") {
    const parts = grid.columns.slice(grid.gapBefore);
    const widest = Math.max(0, ...parts.map(({ text }) => measures.text(text)));
    const height = widest > cellWidth - 2 ? -widest * Math.sin(KEY_LABEL_ANGLE) + GAP + 8 : SIZE + GAP + 3;
    return { height: Math.ceil(height), tail: widest };
  }
  if (upright(grid, cellWidth, measures)) return { height: SIZE + GAP + 3, tail: 0 };
  const widths = grid.columns.map((line) => charactersIn(grid, line) * measures.token);
  const lean = widths
    .slice(-16)
    .reverse()
    .map((width, i) => width * Math.cos(KEY_LABEL_ANGLE) - i * Math.max(cellWidth, LABEL_PITCH));
  return {
    height: Math.ceil(-Math.max(...widths) * Math.sin(KEY_LABEL_ANGLE)) + GAP + 8,
    tail: Math.ceil(Math.max(0, ...lean)) + 4,
  };
}

/** A line whose label is drawn whatever else is; the others make room for it. */
export interface Pinned {
  at: number;
  ink: string;
}

export function drawRowLabels(
  pen: CanvasRenderingContext2D,
  grid: Grid,
  frame: Frame,
  theme: Theme,
  pinned: Pinned[],
): void {
  pen.font = `${SIZE}px ${theme.font}`;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  const step = labelStep(frame.cellHeight, LABEL_PITCH);
  // Counted from the bottom, where layer 0 is.
  const all = labelPositions(0, grid.rows.length, grid.rows.length, step).map((up) => ({
    at: grid.rows.length - 1 - up,
    ink: theme.dim,
  }));
  for (const { at, ink } of fitting([...pinned, ...all], frame.cellHeight, LABEL_PITCH)) {
    pen.fillStyle = ink;
    pen.fillText(grid.rows[at]!.text, frame.left - GAP, yOf(frame, at) + frame.cellHeight / 2);
  }
  pen.textAlign = "left";
  if (!grid.down || frame.height < 40) return;
  pen.save();
  pen.translate(7, frame.top + frame.height / 2);
  pen.rotate(-Math.PI / 2);
  pen.textAlign = "center";
  pen.fillStyle = theme.dim;
  pen.fillText(grid.down, 0, 0);
  pen.restore();
}

export function drawColumnLabels(
  pen: CanvasRenderingContext2D,
  grid: Grid,
  frame: Frame,
  theme: Theme,
  pinned: Pinned[],
): void {
  pen.textBaseline = "middle";
  if (grid.across === "heads") {
    pen.font = `${SIZE}px ${theme.font}`;
    drawHeadNumbers(pen, grid, frame, theme, pinned);
    drawPartNames(pen, grid, frame, theme, pinned);
  } else {
    pen.font = `${SIZE}px ${theme.mono}`;
    drawTokens(pen, grid, frame, theme, pinned);
  }
}

const middleOf = (frame: Frame, column: number): number => xOf(frame, column) + frame.cellWidth / 2;
const bottomOf = (frame: Frame): number => frame.top - GAP;
const isShown = ({ first, span }: Frame, column: number): boolean =>
  column + 0.5 >= first && column + 0.5 < first + span + 0.01;

function drawHeadNumbers(
  pen: CanvasRenderingContext2D,
  grid: Grid,
  frame: Frame,
  theme: Theme,
  pinned: Pinned[],
): void {
  const { first, span, gapBefore, cellWidth } = frame;
  const pitch = Math.max(NUMBER_PITCH * 0.7, measuresOf(theme).text(String(gapBefore)) + 6);
  const numbers = labelPositions(first, span, Math.min(gapBefore, grid.columns.length), labelStep(cellWidth, pitch));
  const wanted = [...pinned.filter(({ at }) => at < gapBefore), ...numbers.map((at) => ({ at, ink: theme.dim }))];
  const shown = wanted.filter(({ at }) => isShown(frame, at));
  pen.textAlign = "center";
  for (const { at, ink } of fitting(shown, cellWidth, pitch)) {
    pen.fillStyle = ink;
    pen.fillText(grid.columns[at]!.text, middleOf(frame, at), bottomOf(frame) - 3);
  }
  pen.textAlign = "right";
  pen.fillStyle = theme.dim;
  if (gapBefore > 1) pen.fillText("head", frame.left - GAP, bottomOf(frame) - 3);
  pen.textAlign = "left";
}

/** Of the columns beyond the heads; slanted where one is wider than its cell. */
function drawPartNames(pen: CanvasRenderingContext2D, grid: Grid, frame: Frame, theme: Theme, pinned: Pinned[]): void {
  const parts = grid.columns.map((_, at) => at).slice(frame.gapBefore);
  const { text } = measuresOf(theme);
  const slant = parts.some((at) => text(grid.columns[at]!.text) > frame.cellWidth - 2);
  pen.textAlign = slant ? "left" : "center";
  let last = -Infinity;
  for (const at of parts) {
    last = Math.max(middleOf(frame, at), last + LABEL_PITCH);
    pen.fillStyle = pinned.find((one) => one.at === at)?.ink ?? theme.dim;
    pen.save();
    pen.translate(last, bottomOf(frame) - (slant ? 0 : 3));
    if (slant) pen.rotate(KEY_LABEL_ANGLE);
    pen.fillText(grid.columns[at]!.text, 0, 0);
    pen.restore();
  }
  pen.textAlign = "left";
}

/** With the numbers of their positions where these are many; slanted where one is wider than its cell. */
function drawTokens(pen: CanvasRenderingContext2D, grid: Grid, frame: Frame, theme: Theme, pinned: Pinned[]): void {
  const { first, span, cellWidth } = frame;
  const measures = measuresOf(theme);
  const straight = upright(grid, cellWidth, measures);
  const pitch = straight ? 1 : LABEL_PITCH;
  const regular = labelPositions(first, span, grid.columns.length, labelStep(cellWidth, pitch));
  const wanted = [...pinned, ...regular.map((at) => ({ at, ink: theme.ink }))];
  const shown = wanted.filter(({ at }) => isShown(frame, at));
  for (const { at, ink } of fitting(shown, cellWidth, pitch)) {
    const line = grid.columns[at]!;
    const number = numbered(grid) ? `${at} ` : "";
    pen.save();
    if (straight)
      pen.translate(middleOf(frame, at) - (charactersIn(grid, line) * measures.token) / 2, bottomOf(frame) - 3);
    else {
      pen.translate(middleOf(frame, at), bottomOf(frame));
      pen.rotate(KEY_LABEL_ANGLE);
    }
    pen.fillStyle = theme.dim;
    pen.fillText(number, 0, 0);
    drawToken(pen, line.text, number.length * measures.token, 0, ink, theme.dim, LABEL_CHARACTERS);
    pen.restore();
  }
}

/** Those that do not touch one that came before. */
function fitting(wanted: Pinned[], cell: number, pitch: number): Pinned[] {
  const taken: Pinned[] = [];
  for (const one of wanted) if (!taken.some(({ at }) => Math.abs(at - one.at) * cell < pitch)) taken.push(one);
  return taken;
}
