/** The graph itself: three canvases (edges, what is lit, nodes), the pointer and the keys. */
import { context, h } from "../../core/elements/dom";
import type { Tooltip } from "../../core/elements/tooltip";
import { computed, draw, sizeOf, watch } from "../../core/reactive";
import type { State } from "../state";
import { drawAxes, drawBrackets, drawCurves, drawMarks } from "./drawing";
import type { Curve } from "./edge_lines";
import { createNavigator } from "./node_keyboard";
import { listenToPointer } from "./stage_pointer";

type Pen = CanvasRenderingContext2D;

/** What stands out; without `marks` nothing does, and all is drawn alike. */
interface Focus {
  curves: Curve[];
  marks: ReadonlySet<number> | undefined;
}

export function createStage(
  state: State,
  tooltip: Tooltip,
  say: (text: string) => void,
  until: AbortSignal,
): HTMLElement {
  const [under, lit, over] = [h("canvas", { class: "cg-edges" }), h("canvas"), h("canvas")];
  const brush = h("div", { class: "cg-brush" });
  brush.hidden = true;
  const element = h("div", { class: "cg-stage" }, under, lit, over, brush, emptyNote(state, until));
  const navigator = createNavigator(state, tooltip, say, until);
  element.append(navigator.element);
  const size = sizeOf(element, until);
  watch(until, () => void (state.room.value = { width: size.value[0], height: size.value[1] }));

  const focus = computed(() => focusOf(state));
  const drawOn = (canvas: HTMLCanvasElement, paint: (pen: Pen) => void): void =>
    draw(until, () => {
      const { width, height } = state.room.value;
      if (width) paint(context(canvas, width, height));
    });
  drawOn(under, (pen) => {
    drawUnder(pen, state);
    element.dataset.drawn = String(state.scene.value.curves.length);
  });
  drawOn(lit, (pen) => {
    under.style.opacity = focus.value.marks ? "0.22" : "1";
    drawLit(pen, state, focus.value);
  });
  drawOn(over, (pen) => drawOver(pen, state, focus.value));
  listenToPointer({ state, element, brush, navigator, tooltip, say });
  return element;
}

function emptyNote(state: State, until: AbortSignal): HTMLElement {
  const note = h("div", { class: "cg-empty", role: "note" });
  watch(until, () => {
    note.hidden = state.scene.value.counts.edges > 0;
    note.textContent =
      state.edges.scored || state.givenCount
        ? "No edge is in. Move the slider below to the right, or put edges in from a node's list."
        : "None of the edges has a score: there is nothing to show.";
  });
  return note;
}

/** Units and curves that stand out: those pointed at, else those selected. */
function focusOf(state: State): Focus {
  const scene = state.scene.value;
  const { unit, curve } = state.hover.value;
  const rank = state.edge.value;
  const { all, find } = state.units.peek();
  const units = new Set(unit === undefined ? (curve || rank !== undefined ? [] : state.selected.value) : [unit]);
  const wanted = (one: Curve): boolean =>
    curve
      ? one.ranks[0] === curve.ranks[0] && one.sort === curve.sort
      : unit === undefined && rank !== undefined
        ? one.ranks.includes(rank)
        : units.has(all[one.from]!.key) || units.has(all[one.to]!.key);
  const curves = units.size || curve || rank !== undefined ? scene.curves.filter(wanted) : [];
  const marks = new Set(curves.flatMap(({ from, to }) => [from, to]));
  for (const key of units) marks.add(find.get(key) ?? -1);
  // What has no edge that is in stands out by nothing: the rest stays as it is.
  return { curves, marks: curves.length ? marks : undefined };
}

/** All edges. */
function drawUnder(pen: Pen, state: State): void {
  const [scene, theme] = [state.scene.value, state.theme.value];
  const moving = state.sliding.value !== undefined || state.moving.value !== undefined;
  drawCurves(pen, scene.curves, state.scale.value, state.table.value, theme, { moving });
  drawBrackets(pen, scene, theme);
}

/** The edges that stand out, once more. */
function drawLit(pen: Pen, state: State, { curves }: Focus): void {
  drawCurves(pen, curves, state.scale.value, state.table.value, state.theme.value, { wider: 0.6 });
}

/** Nodes, and the numbers of layers and heads. */
function drawOver(pen: Pen, state: State, { marks }: Focus): void {
  const [scene, theme] = [state.scene.value, state.theme.value];
  drawAxes(pen, state.graph, scene.frame, theme);
  drawMarks(pen, state.graph, scene, theme, {
    selected: new Set(state.selected.value),
    lit: marks,
    labels: state.edits.value.labels,
  });
}
