/** The names along the map: layers left of it, tokens above. */
import { fitted } from "../../core/tokens";
import { GUTTER, HEADER, shownRange, stepOf } from "../layout";
import type { Cell, State } from "../state";
import { LEAST_WORD_WIDTH, PAD, placeOf } from "./cell_layout";

const TICK_PITCH = 84;
const LAYER_PITCH = 14;

type Pen = CanvasRenderingContext2D;

/** Left of the cells, the name of each layer, or of those at round numbers. */
export function drawLayers(pen: Pen, state: State, hover: Cell | undefined): void {
  const [view, room, theme] = [state.view.value, state.room.value, state.theme.value];
  const step = stepOf(view.h, LAYER_PITCH);
  const [first, end] = shownRange(view.y, room.height / view.h, state.counts.rows);
  const { y } = placeOf(view);
  const taken: number[] = [];
  const label = (layer: number, ink: string): void => {
    const row = state.rowOf(layer);
    const middle = (y(row) + y(row + 1)) / 2;
    if (
      row < first ||
      row >= end ||
      middle < HEADER ||
      taken.some((other) => Math.abs(other - middle) < Math.min(LAYER_PITCH, view.h * step) - 1)
    )
      return;
    taken.push(middle);
    pen.fillStyle = ink;
    pen.fillText(state.lens.layerName(layer), GUTTER - 6, middle);
  };
  pen.font = `11px ${theme.font}`;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  if (hover) label(hover.layer, theme.ink);
  label(state.counts.rows - 1, hover ? theme.dim : theme.ink);
  for (let row = first; row < end; row++) if (state.rowOf(row) % step === 0) label(state.rowOf(row), theme.dim);
  pen.fillStyle = theme.dim;
  pen.textBaseline = "alphabetic";
  pen.fillText("layer", GUTTER - 6, HEADER - 9);
  pen.textAlign = "left";
}

/** Above each column its position and token; where columns are narrow, above those at round positions. */
export function drawTokens(pen: Pen, state: State, hover: Cell | undefined): void {
  const [view, room, theme] = [state.view.value, state.room.value, state.theme.value];
  const step = view.w >= LEAST_WORD_WIDTH ? 1 : stepOf(view.w, TICK_PITCH);
  const labelRoom = step * view.w - 2 * PAD;
  const [first, end] = shownRange(view.x, room.width / view.w, state.counts.columns);
  const { x } = placeOf(view);
  const measure = (text: string): number => pen.measureText(text).width;
  const taken: number[] = [];
  pen.save();
  pen.beginPath();
  pen.rect(GUTTER - 1, 0, room.width + 2, HEADER);
  pen.clip();
  pen.textBaseline = "alphabetic";
  pen.direction = "ltr";
  const label = (column: number, ink: string, strong: boolean): void => {
    const left = x(column);
    if (column < first || column >= end || taken.some((other) => Math.abs(other - left) < step * view.w - 1)) return;
    taken.push(left);
    pen.font = `${strong ? "600 " : ""}11px ${theme.mono}`;
    const word = fitted(state.lens.tokens[column]!, labelRoom, measure);
    const width = Math.max(
      24,
      word.reduce((sum, { text }) => sum + measure(text), 0),
    );
    const inner = step > 1 ? Math.min(left, GUTTER + room.width - width) : left + PAD;
    pen.font = `10px ${theme.font}`;
    pen.fillStyle = strong ? ink : theme.dim;
    pen.fillText(String(column), inner, 11);
    pen.font = `${strong ? "600 " : ""}11px ${theme.mono}`;
    let at = inner;
    for (const { text, dim } of word) {
      pen.fillStyle = dim ? theme.dim : ink;
      pen.fillText(text, at, 25);
      at += measure(text);
    }
    if (step > 1) {
      pen.fillStyle = strong ? ink : theme.line;
      pen.fillRect(Math.round(left), HEADER - 5, 1, 5);
    }
  };
  if (hover) label(hover.position, theme.accent, true);
  for (const column of state.selectedTokens.value) label(column, theme.select, true);
  for (let column = Math.floor(first / step) * step; column < end; column += step) label(column, theme.ink, false);
  pen.restore();
}
