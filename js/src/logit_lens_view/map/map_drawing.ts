/** Draws the map: cells with their words below, and above them what is pointed at and selected. */
import { cssColour, inkOn } from "../../core/drawing/colour";
import { hatching } from "../../core/drawing/hatching";
import { fitted, type Part } from "../../core/tokens";
import { GUTTER, HEADER, shownRange } from "../layout";
import { cellNumber } from "../quantities";
import type { State } from "../state";
import { fontSize, forShown, hasSettled, hasWords, PAD, placeOf } from "./cell_layout";
import { drawLayers, drawTokens } from "./map_labels";
import { colourOf } from "./raster";

/** From here on a cell has room for its number below its word. */
const TWO_LINES = 30;

type Pen = CanvasRenderingContext2D;

export function drawCells(pen: Pen, state: State, raster: HTMLCanvasElement | undefined): void {
  const [view, room, theme] = [state.view.value, state.room.value, state.theme.value];
  const values = state.values.value;
  pen.save();
  pen.beginPath();
  pen.rect(GUTTER, HEADER, room.width, room.height + 2);
  pen.clip();
  if (values?.some(Number.isNaN)) {
    const { x, y } = placeOf(view);
    pen.fillStyle = hatching(pen, theme);
    pen.fillRect(x(0), y(0), x(state.counts.columns) - x(0), y(state.counts.rows) - y(0));
  }
  if (hasWords(view)) drawWords(pen, state);
  else if (raster) {
    const { x, y } = placeOf(view);
    pen.imageSmoothingEnabled = view.w < 1;
    pen.drawImage(raster, x(0), y(0), raster.width * view.w, raster.height * view.h);
  }
  if (hasSettled(view)) drawSettled(pen, state);
  pen.restore();
}

function drawWords(pen: Pen, state: State): void {
  const { lens, theme } = state;
  const [view, values, scale, table] = [state.view.value, state.values.value, state.scale.value, state.table.value];
  const { x, y } = placeOf(view);
  const colourAt = (cell: number): number => (values ? colourOf(values[cell]!, scale, table) : 0);
  forShown(state, (row, column) => {
    const colour = colourAt(lens.cell(state.rowOf(row), column));
    pen.fillStyle = cssColour(colour);
    if (colour) pen.fillRect(x(column), y(row), x(column + 1) - x(column) - 1, y(row + 1) - y(row) - 1);
  });
  // All words after all boxes: in low rows their tails reach a pixel into the next one.
  const words = wordsOf(pen, `${fontSize(view.h)}px ${theme.value.mono}`, view.w - 2 * PAD);
  const two = view.h >= TWO_LINES;
  pen.textBaseline = "middle";
  pen.direction = "ltr";
  forShown(state, (row, column) => {
    const cell = lens.cell(state.rowOf(row), column);
    const [left, top, height] = [x(column) + PAD, y(row), y(row + 1) - y(row) - 1];
    const ink = inkOn(colourAt(cell)) || theme.value.ink;
    pen.font = words.font;
    const word = words.of(lens.topIds[cell]!, () => lens.text(lens.topIds[cell]!));
    const faint = word.some(({ dim }) => !dim) ? 0.6 : 0.85; // a space alone must be seen
    pen.fillStyle = ink;
    let at = left;
    for (const { text, dim, width } of word) {
      pen.globalAlpha = dim ? faint : 1;
      pen.fillText(text, at, top + (two ? 0.34 : 0.5) * height + 0.5);
      at += width;
    }
    const value = values?.[cell];
    if (two && value !== undefined) {
      pen.font = `10px ${theme.value.font}`;
      pen.globalAlpha = 0.75;
      pen.fillText(cellNumber(value, state.colour.value), left, top + 0.76 * height);
    }
    pen.globalAlpha = 1;
    if (value !== undefined && value > scale.high) clipMark(pen, x(column + 1) - 1, top, ink);
  });
}

/** A corner that says: more than the colours can tell. */
function clipMark(pen: Pen, right: number, top: number, ink: string): void {
  pen.fillStyle = ink;
  pen.beginPath();
  pen.moveTo(right, top);
  pen.lineTo(right - 6, top);
  pen.lineTo(right, top + 6);
  pen.fill();
}

interface Word extends Part {
  width: number;
}

interface Words {
  font: string;
  /** Measures with the pen's font, which must be `font`. */
  of(id: number, text: () => string): Word[];
}

let kept: { key: string; words: Map<number, Word[]> } = { key: "", words: new Map() };

/** Tokens cut to a cell's width; kept from frame to frame, for measuring text is what costs. */
function wordsOf(pen: Pen, font: string, room: number): Words {
  const key = `${font} ${room}`;
  if (kept.key !== key) kept = { key, words: new Map() };
  const { words } = kept;
  const measure = (text: string): number => pen.measureText(text).width;
  return {
    font,
    of(id, text) {
      let word = words.get(id);
      if (!word)
        words.set(id, (word = fitted(text(), room, measure).map((part) => ({ ...part, width: measure(part.text) }))));
      return word;
    },
  };
}

/** The stairs below which the top token still changes: above them it is the output's. */
export function settledPath(state: State): [x: number, y: number][] {
  const [view, room] = [state.view.value, state.room.value];
  const { x, y } = placeOf(view);
  const [first, end] = shownRange(view.x, room.width / view.w, state.counts.columns);
  const steps: [number, number][] = [];
  for (let column = first; column < end; column++) {
    const at = y(state.rowOf(state.settled[column]!) + 1) - (hasWords(view) ? 0.5 : 0);
    steps.push([x(column) - 0.5, at], [x(column + 1) - 0.5, at]);
  }
  return steps;
}

function drawSettled(pen: Pen, state: State): void {
  const { ground, ink } = state.theme.value;
  pen.lineJoin = "miter";
  pen.beginPath();
  settledPath(state).forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  // A picture of small cells shall not be all line.
  const strong = hasWords(state.view.value);
  pen.strokeStyle = ground;
  pen.lineWidth = 3.5;
  if (strong) pen.stroke();
  pen.strokeStyle = ink;
  pen.lineWidth = strong ? 1.5 : 1;
  pen.globalAlpha = strong ? 1 : 0.6;
  pen.stroke();
  pen.globalAlpha = 1;
}

/** Names of layers and tokens, the cell pointed at, selected positions, and the cells of a traced token. */
export function drawAbove(pen: Pen, state: State): void {
  const [view, room, theme] = [state.view.value, state.room.value, state.theme.value];
  const { x, y } = placeOf(view);
  const hover = state.hover.value;
  const bottom = Math.min(HEADER + room.height, y(state.counts.rows));
  drawLayers(pen, state, hover);
  drawTokens(pen, state, hover);
  pen.save();
  pen.beginPath();
  pen.rect(GUTTER - 2, HEADER - 4, room.width + 4, room.height + 6);
  pen.clip();
  const traced = state.traced.value;
  if (traced !== undefined) {
    pen.strokeStyle = theme.accent;
    pen.lineWidth = 2;
    forShown(state, (row, column) => {
      if (state.lens.topIds[state.lens.cell(state.rowOf(row), column)] === traced)
        pen.strokeRect(x(column), y(row), Math.max(2, view.w - 1), Math.max(2, view.h - 1));
    });
  }
  for (const column of state.selectedTokens.value) {
    pen.strokeStyle = theme.select;
    pen.lineWidth = 1.5;
    pen.strokeRect(x(column) - 1, HEADER - 1, Math.max(3, x(column + 1) - x(column) + 1), bottom - HEADER + 1);
  }
  if (!state.selectedTokens.value.length) {
    // The last position is on show beside the map though nobody chose it.
    pen.strokeStyle = theme.dim;
    pen.lineWidth = 1;
    pen.strokeRect(x(state.position.value) - 0.5, HEADER - 0.5, Math.max(3, view.w), bottom - HEADER);
  }
  if (hover) {
    pen.strokeStyle = theme.ground;
    pen.lineWidth = 4;
    const box = [
      x(hover.position) - 0.5,
      y(state.rowOf(hover.layer)) - 0.5,
      Math.max(3, view.w),
      Math.max(3, view.h),
    ] as const;
    pen.strokeRect(...box);
    pen.strokeStyle = theme.ink;
    pen.lineWidth = 2;
    pen.strokeRect(...box);
  }
  pen.restore();
}
