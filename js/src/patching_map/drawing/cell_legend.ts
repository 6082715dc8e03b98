/** What the looks of cells mean, beside the legend: only those that occur. */
import { cssColour, pack } from "../../core/drawing/colour";
import { hatching } from "../../core/drawing/hatching";
import { entryOf } from "../../core/drawing/scale";
import { context, h } from "../../core/elements/dom";
import { watch } from "../../core/reactive";
import type { State } from "../state";
import { notRunTone, PALE } from "./drawing";

const SIDE = 12;

export function createCellKey(state: State, until: AbortSignal): HTMLElement {
  const element = h("span", { class: "pm-keys" });
  const key = (text: string, fill: (pen: CanvasRenderingContext2D) => void): HTMLElement => {
    const canvas = h("canvas", { "aria-hidden": "true" });
    const pen = context(canvas, SIDE, SIDE);
    fill(pen);
    pen.globalAlpha = 1;
    pen.strokeStyle = state.theme.value.line;
    pen.strokeRect(0.5, 0.5, SIDE - 1, SIDE - 1);
    return h("span", { class: "pm-key" }, canvas, text);
  };
  watch(until, () => {
    const { exact, zero, estimate, none, undefined: broken } = state.counts.value;
    const theme = state.theme.value;
    const strong = cssColour(state.table.value[207]!);
    const solid = (pen: CanvasRenderingContext2D): void => {
      pen.fillStyle = strong;
      pen.fillRect(0, 0, SIDE, SIDE);
    };
    const keys = [
      estimate &&
        key("estimate (gradient)", (pen) => {
          pen.globalAlpha = PALE;
          solid(pen);
          pen.globalAlpha = 1;
          pen.beginPath();
          pen.arc(SIDE / 2, SIDE / 2, 2.5, 0, 7);
          pen.fill();
        }),
      exact && (estimate || none || broken) && key("exact", solid),
      zero &&
        key("0 by construction", (pen) => {
          pen.fillStyle = cssColour(state.table.value[entryOf(0, state.scale.value)]!);
          pen.fillRect(0, 0, SIDE, SIDE);
        }),
      none &&
        key("not run", (pen) => {
          pen.fillStyle = cssColour(pack(notRunTone(theme)));
          pen.fillRect(0, 0, SIDE, SIDE);
        }),
      broken &&
        key("undefined (NaN)", (pen) => {
          pen.fillStyle = hatching(pen, theme);
          pen.fillRect(0, 0, SIDE, SIDE);
        }),
    ];
    element.replaceChildren(...keys.filter((one) => one instanceof HTMLElement));
  });
  return element;
}
