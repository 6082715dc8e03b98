/** What notes beside the pointer and the panel say of cells. */

import { h } from "../../core/elements/dom";
import { count, exact, signed } from "../../core/format";
import { tokenSpan, tokenSpanAt } from "../../core/tokens";
import type { Place, Space } from "../cells/cell_names";
import { type Effects, shownOf, statusOf } from "../cells/cells";
import type { Sum } from "../cells/grid";
import type { State } from "../state";

/** Three decimals and the sign: "+0.264"; "+3.2e−5" where they would not show it. */
export const effectText = (value: number): string => (Number.isFinite(value) ? signed(value, threeDecimals) : "–");

function threeDecimals(size: number): string {
  if (size > 0 && size < 5e-4) return size.toExponential(1).replace("e-", "e−");
  return size < 100 ? size.toFixed(3) : size.toFixed(0);
}

/** The place of a cell, its token shown as in the prompt. */
export function placeLine(space: Space, cell: number): HTMLElement {
  const place: Place = space.placeOf(cell);
  const line = h("div", {}, h("b", {}, space.siteText(place)));
  if (place.position !== undefined)
    line.append(
      " at ",
      tokenSpanAt(space.positions, place.position),
      h("span", { class: "sw-dim" }, ` ${place.position}`),
    );
  return line;
}

/** What is known of a cell, a line each: exact value, estimate, or why there is none. */
export function valueLines(effects: Effects, cell: number): string[] {
  const { values, estimates } = effects;
  const status = statusOf(effects, cell);
  const lines = {
    exact: [signed(values[cell]!, exact)],
    zero: ["0", "by construction, not run: nothing that differs between the prompts reaches it"],
    undefined: ["undefined: see the note above the map"],
    estimate: ["not run yet"],
    none: ["not run"],
  }[status];
  const guess = status === "zero" ? undefined : estimates?.[cell];
  return guess !== undefined && Number.isFinite(guess)
    ? [...lines, `estimate ${signed(guess, exact)} (gradient)`]
    : lines;
}

export function cellNote({ space }: State, effects: Effects, cell: number): (Node | string)[] {
  return [
    placeLine(space, cell),
    ...valueLines(effects, cell).map((text, i) =>
      h("div", i || !Number.isFinite(effects.values[cell]) ? { class: "sw-dim" } : {}, text),
    ),
  ];
}

export const tokenNote = (text: string, position: number): Node[] => [
  tokenSpan(text),
  h("span", { class: "sw-dim" }, ` ${position}`),
];

export function sumNote(name: string, { sum, n, of }: Sum): Node[] {
  const cells = n === of ? `${count(n)} cell${n === 1 ? "" : "s"}` : `${count(n)} exact cells of ${count(of)}`;
  return [
    h(
      "div",
      {},
      ...(name ? [`${name[0]!.toUpperCase()}${name.slice(1)}: `] : []),
      "sum ",
      h("b", {}, n ? signed(sum, exact) : "–"),
    ),
    h("div", { class: "sw-dim" }, `of ${cells}`),
  ];
}

/** A value for lists: "≈ " where it is an estimate. */
export const listed = (effects: Effects, cell: number): string =>
  (statusOf(effects, cell) === "estimate" ? "≈ " : "") + effectText(shownOf(effects, cell));
