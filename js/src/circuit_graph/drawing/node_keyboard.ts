/** Walks the nodes by keys: one real element, which has the focus, moves over the canvas. */
import { h } from "../../core/elements/dom";
import type { Tooltip } from "../../core/elements/tooltip";
import { watch } from "../../core/reactive";
import type { Unit } from "../circuit/drawn_nodes";
import { unitNote } from "../panel/tooltip_text";
import type { State } from "../state";
import type { Mark, Scene } from "./scene";

export interface Navigator {
  element: HTMLElement;
  /** Stand on a node without taking the focus. */
  stand(key: string): void;
  focus(): void;
}

const NUDGE: Record<string, [number, number]> = {
  ArrowLeft: [-0.25, 0],
  ArrowRight: [0.25, 0],
  ArrowUp: [0, 0.25],
  ArrowDown: [0, -0.25],
};
const MOVES: Record<string, (scene: Scene, from: Mark) => Mark | undefined> = {
  ArrowLeft: (scene, from) => beside(scene, from, -1),
  ArrowRight: (scene, from) => beside(scene, from, 1),
  ArrowUp: (scene, from) => along(scene, from, true),
  ArrowDown: (scene, from) => along(scene, from, false),
  Home: (scene, from) => beside(scene, from, -Infinity),
  End: (scene, from) => beside(scene, from, Infinity),
};
/** Between a node and the frame of the element on it. */
const PAD = 4;

export function createNavigator(
  state: State,
  tooltip: Tooltip,
  say: (text: string) => void,
  until: AbortSignal,
): Navigator {
  const cell = h("div", { class: "sw-cell cg-cell", role: "button", tabindex: 0, "aria-roledescription": "node" });
  const element = h("div", { class: "sw-walker", role: "group", "aria-label": "Nodes of the circuit" }, cell);
  let key = "input";

  const here = (): Mark | undefined => {
    const marks = marksOf(state.scene.peek());
    return marks.find(({ unit }) => unit.key === key) ?? marks[0];
  };
  const refresh = (): void => {
    const mark = here();
    if (mark) standOn(cell, state, mark);
  };
  const stand = (next: string): void => {
    key = next;
    refresh();
  };
  const go = (mark: Mark | undefined): void => {
    if (!mark) return;
    stand(mark.unit.key);
    state.hover.value = { unit: mark.unit.key };
    const { right, top } = cell.getBoundingClientRect();
    tooltip.show(right, top, unitNote(state, mark.unit));
  };

  cell.addEventListener("keydown", (event) => {
    const from = here();
    if (!from) return;
    const move = MOVES[event.key];
    if (move && !event.ctrlKey && !event.metaKey && !event.altKey) go(move(state.scene.peek(), from));
    else if (!act(state, from.unit, event, say)) return;
    event.preventDefault();
    event.stopPropagation();
  });
  cell.addEventListener("focus", () => {
    refresh();
    if (cell.matches(":focus-visible")) state.hover.value = { unit: here()!.unit.key };
  });
  cell.addEventListener("blur", () => {
    state.hover.value = {};
    tooltip.hide();
  });
  // While the slider moves nobody reads what the node says, and saying it would cost each frame.
  watch(until, () => {
    if (state.sliding.value !== undefined) return;
    void state.scene.value;
    void state.selected.value;
    void state.edits.value.labels;
    refresh();
  });
  return { element, stand, focus: () => cell.focus({ preventScroll: true }) };
}

/** What keys do that do not walk; false where one does nothing. */
function act(state: State, unit: Unit, event: KeyboardEvent, say: (text: string) => void): boolean {
  const nudge = NUDGE[event.key];
  const selected = state.selected.peek();
  if (event.altKey && nudge) {
    state.pin(unit.key, [unit.column + nudge[0], unit.row + nudge[1]]);
    say("Pinned. Its place can be reset in its panel.");
  } else if (event.key === "Enter" || event.key === " ") {
    if (event.shiftKey || !(selected.length === 1 && selected[0] === unit.key))
      state.select([unit.key], event.shiftKey);
  } else if (
    (event.key === "x" || event.key === "Delete") &&
    !event.ctrlKey &&
    !event.metaKey &&
    state.edge.peek() === undefined &&
    !selected.length
  )
    state.toggleNodes(unit.nodes.map((node) => state.graph.nodes[node]!.name));
  else return false;
  return true;
}

function standOn(cell: HTMLElement, state: State, { x, y, w, h: half, unit }: Mark): void {
  Object.assign(cell.style, {
    left: `${x - w - PAD}px`,
    top: `${y - half - PAD}px`,
    width: `${2 * (w + PAD)}px`,
    height: `${2 * (half + PAD)}px`,
  });
  cell.setAttribute(
    "aria-label",
    unitNote(state, unit)
      .map((line) => line.textContent)
      .join(", "),
  );
  cell.setAttribute("aria-pressed", String(state.selected.peek().includes(unit.key)));
}

const marksOf = ({ marks }: Scene): Mark[] => marks.filter((mark): mark is Mark => !!mark);

/** Along the row; rows that were bent by pins are those that look like one. */
function beside(scene: Scene, from: Mark, step: number): Mark | undefined {
  const row = marksOf(scene)
    .filter(({ unit }) => Math.abs(unit.row - from.unit.row) < 0.5)
    .sort((one, other) => one.x - other.x);
  return Number.isFinite(step) ? row[row.indexOf(from) + step] : step > 0 ? row.at(-1) : row[0];
}

/** Along the strongest edge; where there is none, to the nearest node of the next row. */
function along(scene: Scene, from: Mark, up: boolean): Mark | undefined {
  const at = scene.marks.indexOf(from);
  const curve = scene.curves.find((one) => one.sort !== "removed" && (up ? one.from : one.to) === at);
  if (curve) return scene.marks[up ? curve.to : curve.from];
  const sign = up ? 1 : -1;
  const beyond = marksOf(scene).filter(({ unit }) => sign * (unit.row - from.unit.row) >= 0.5);
  const least = Math.min(...beyond.map(({ unit }) => sign * unit.row));
  return beyond
    .filter(({ unit }) => sign * unit.row < least + 0.3)
    .sort((one, other) => Math.abs(one.x - from.x) - Math.abs(other.x - from.x))[0];
}
