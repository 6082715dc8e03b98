/** Walks the nodes by keys: one real element, which has the focus, moves over the canvas. */
import { h } from "../../core/elements/dom";
import type { Tooltip } from "../../core/elements/tooltip";
import { watch } from "../../core/reactive";
import { unitNote } from "../panel/notes";
import type { State } from "../state";
import type { Mark } from "./scene";

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

export function createNavigator(
  state: State,
  tooltip: Tooltip,
  say: (text: string) => void,
  until: AbortSignal,
): Navigator {
  const cell = h("div", { class: "sw-cell cg-cell", role: "button", tabindex: 0, "aria-roledescription": "node" });
  const element = h("div", { class: "sw-walker", role: "group", "aria-label": "Nodes of the circuit" }, cell);
  let key = "input";

  const marks = (): Mark[] => state.scene.peek().marks.filter((mark): mark is Mark => !!mark);
  const here = (): Mark | undefined => marks().find(({ unit }) => unit.key === key) ?? marks()[0];
  const refresh = (): void => {
    const mark = here();
    if (!mark) return;
    const { x, y, w, h: half, unit } = mark;
    const pad = 4;
    Object.assign(cell.style, {
      left: `${x - w - pad}px`,
      top: `${y - half - pad}px`,
      width: `${2 * (w + pad)}px`,
      height: `${2 * (half + pad)}px`,
    });
    cell.setAttribute(
      "aria-label",
      unitNote(state, unit)
        .map((line) => line.textContent)
        .join(", "),
    );
    cell.setAttribute("aria-pressed", String(state.selected.peek().includes(unit.key)));
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

  /** Along the row; rows that were bent by pins are those that look like one. */
  const beside = (step: number): Mark | undefined => {
    const from = here()!;
    const row = marks()
      .filter(({ unit }) => Math.abs(unit.row - from.unit.row) < 0.5)
      .sort((one, other) => one.x - other.x);
    return Number.isFinite(step) ? row[row.indexOf(from) + step] : step > 0 ? row.at(-1) : row[0];
  };
  /** Along the strongest edge; where there is none, to the nearest node of the next row. */
  const along = (up: boolean): Mark | undefined => {
    const scene = state.scene.peek();
    const from = here()!;
    const at = scene.marks.indexOf(from);
    const curve = scene.curves.find((one) => one.sort !== "removed" && (up ? one.from : one.to) === at);
    if (curve) return scene.marks[up ? curve.to : curve.from];
    const sign = up ? 1 : -1;
    const beyond = marks().filter(({ unit }) => sign * (unit.row - from.unit.row) >= 0.5);
    const least = Math.min(...beyond.map(({ unit }) => sign * unit.row));
    return beyond
      .filter(({ unit }) => sign * unit.row < least + 0.3)
      .sort((one, other) => Math.abs(one.x - from.x) - Math.abs(other.x - from.x))[0];
  };

  const moves: Record<string, () => Mark | undefined> = {
    ArrowLeft: () => beside(-1),
    ArrowRight: () => beside(1),
    ArrowUp: () => along(true),
    ArrowDown: () => along(false),
    Home: () => beside(-Infinity),
    End: () => beside(Infinity),
  };
  cell.addEventListener("keydown", (event) => {
    const move = moves[event.key];
    const nudge = NUDGE[event.key];
    const unit = here()?.unit;
    if (!unit) return;
    if (event.altKey && nudge) {
      state.pin(unit.key, [unit.column + nudge[0], unit.row + nudge[1]]);
      say("Pinned. Its place can be reset in its panel.");
    } else if (move && !event.ctrlKey && !event.metaKey && !event.altKey) go(move());
    else if (event.key === "Enter" || event.key === " ") {
      if (event.shiftKey || !(state.selected.peek().length === 1 && state.selected.peek()[0] === unit.key))
        state.select([unit.key], event.shiftKey);
    } else if (
      (event.key === "x" || event.key === "Delete") &&
      !event.ctrlKey &&
      !event.metaKey &&
      state.edge.peek() === undefined &&
      !state.selected.peek().length
    )
      state.toggleNodes(unit.nodes.map((node) => state.graph.nodes[node]!.name));
    else return;
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
