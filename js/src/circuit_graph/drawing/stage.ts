/** The graph itself: three canvases (edges, what is lit, nodes), the pointer and the keys. */
import { context, h } from "../../core/elements/dom";
import type { Tooltip } from "../../core/elements/tooltip";
import { computed, draw, sizeOf, watch } from "../../core/reactive";
import { curveNote, unitNote } from "../panel/notes";
import type { Place, Pointed, State } from "../state";
import { type Curve, distance } from "./curves";
import { drawAxes, drawBrackets, drawCurves, drawMarks } from "./drawing";
import { createNavigator } from "./navigator";
import type { Mark } from "./scene";

const NEAR = 5;
/** So far a pointer moves before it drags. */
const SLACK = 4;

export function createStage(
  state: State,
  tooltip: Tooltip,
  say: (text: string) => void,
  until: AbortSignal,
): HTMLElement {
  const [under, lit, over] = [h("canvas", { class: "cg-edges" }), h("canvas"), h("canvas")];
  const brush = h("div", { class: "cg-brush" });
  brush.hidden = true;
  const empty = h("div", { class: "cg-empty", role: "note" });
  const element = h("div", { class: "cg-stage" }, under, lit, over, brush, empty);
  const navigator = createNavigator(state, tooltip, say, until);
  element.append(navigator.element);
  const size = sizeOf(element, until);
  watch(until, () => void (state.room.value = { width: size.value[0], height: size.value[1] }));

  /** Units and curves that stand out: those pointed at, else those selected. */
  const focus = computed(() => {
    const scene = state.scene.value;
    const { unit, curve } = state.hover.value;
    const rank = state.edge.value;
    const units = new Set(unit === undefined ? (curve || rank !== undefined ? [] : state.selected.value) : [unit]);
    const wanted = (one: Curve): boolean =>
      curve
        ? one.ranks[0] === curve.ranks[0] && one.sort === curve.sort
        : unit === undefined && rank !== undefined
          ? one.ranks.includes(rank)
          : units.has(state.units.peek().all[one.from]!.key) || units.has(state.units.peek().all[one.to]!.key);
    const curves = units.size || curve || rank !== undefined ? scene.curves.filter(wanted) : [];
    const marks = new Set(curves.flatMap(({ from, to }) => [from, to]));
    for (const key of units) marks.add(state.units.peek().find.get(key) ?? -1);
    return { curves, marks: curves.length || units.size ? marks : undefined };
  });

  draw(until, () => {
    const { width, height } = state.room.value;
    if (!width) return;
    const scene = state.scene.value;
    const pen = context(under, width, height);
    const moving = state.sliding.value !== undefined || state.moving.value !== undefined;
    drawCurves(pen, scene.curves, state.scale.value, state.table.value, state.theme.value, { moving });
    drawBrackets(pen, scene, state.theme.value);
    element.dataset.drawn = String(scene.curves.length);
  });
  draw(until, () => {
    const { width, height } = state.room.value;
    if (!width) return;
    const { curves } = focus.value;
    under.style.opacity = focus.value.marks ? "0.22" : "1";
    const pen = context(lit, width, height);
    drawCurves(pen, curves, state.scale.value, state.table.value, state.theme.value, { wider: 0.6 });
  });
  draw(until, () => {
    const { width, height } = state.room.value;
    if (!width) return;
    const scene = state.scene.value;
    const pen = context(over, width, height);
    drawAxes(pen, state.graph, scene.frame, state.theme.value);
    drawMarks(pen, state.graph, scene, state.theme.value, {
      selected: new Set(state.selected.value),
      lit: focus.value.marks,
      labels: state.edits.value.labels,
    });
  });
  watch(until, () => {
    const { edges } = state.scene.value.counts;
    empty.hidden = edges > 0;
    empty.textContent =
      state.edges.scored || state.givenCount
        ? "No edge is in. Move the slider below to the right, or put edges in from a node's list."
        : "None of the edges has a score: there is nothing to show.";
  });

  // -- the pointer

  const at = (event: MouseEvent): [number, number] => {
    const { left, top } = element.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };
  const pointed = (event: MouseEvent): Pointed => {
    const [x, y] = at(event);
    const mark = markAt(state.scene.peek().marks, x, y);
    return mark ? { unit: mark.unit.key } : { curve: curveAt(state.scene.peek().curves, x, y) };
  };
  const show = (event: MouseEvent, found: Pointed): void => {
    const before = state.hover.peek();
    if (before.unit !== found.unit || before.curve !== found.curve) state.hover.value = found;
    element.style.cursor = found.unit !== undefined || found.curve ? "pointer" : "default";
    const unit = state.unitOf(found.unit);
    if (unit) tooltip.show(event.clientX, event.clientY, unitNote(state, unit));
    else if (found.curve) tooltip.show(event.clientX, event.clientY, curveNote(state, found.curve));
    else tooltip.hide();
  };
  element.addEventListener("pointermove", (event) => {
    if (!event.buttons) show(event, pointed(event));
  });
  element.addEventListener("pointerleave", () => {
    state.hover.value = {};
    tooltip.hide();
  });
  element.addEventListener("pointerdown", (down) => {
    if (down.button) return;
    const [x0, y0] = at(down);
    const mark = markAt(state.scene.peek().marks, x0, y0);
    const grip = mark && [mark.x - x0, mark.y - y0];
    let dragged = false;
    element.setPointerCapture(down.pointerId);
    const place = (event: MouseEvent): Place => {
      const [x, y] = at(event);
      return state.scene.peek().frame.placeAt(x + grip![0]!, y + grip![1]!);
    };
    element.onpointermove = (move) => {
      const [x, y] = at(move);
      dragged ||= Math.hypot(x - x0, y - y0) > SLACK;
      if (!dragged) return;
      tooltip.hide();
      if (mark) state.moving.value = { key: mark.unit.key, place: place(move) };
      else showBrush(brush, x0, y0, x, y);
    };
    element.onpointerup = (up) => {
      // Keys that follow are meant for what was clicked.
      navigator.focus();
      if (!dragged) return click(up);
      if (mark) {
        state.pin(mark.unit.key, place(up));
        return say("Pinned. Its place can be reset in its panel.");
      }
      const [x, y] = at(up);
      const inside = state.scene
        .peek()
        .marks.filter(
          (one): one is Mark => !!one && one.state !== "out" && between(one.x, x0, x) && between(one.y, y0, y),
        );
      state.select(
        inside.map(({ unit }) => unit.key),
        up.shiftKey,
      );
      if (inside.length) navigator.stand(inside.at(-1)!.unit.key);
    };
    element.onlostpointercapture = () => {
      element.onpointermove = element.onpointerup = element.onlostpointercapture = null;
      state.moving.value = undefined;
      brush.hidden = true;
    };
  });
  const click = (event: MouseEvent): void => {
    const { unit, curve } = pointed(event);
    if (unit !== undefined) {
      navigator.stand(unit);
      if (event.altKey) state.toggleNodes(state.unitOf(unit)!.nodes.map((node) => state.graph.nodes[node]!.name));
      else state.select([unit], event.shiftKey);
    } else if (curve) {
      if (event.altKey) state.toggleEdge(curve.ranks[0]!);
      else state.openEdge(curve.ranks[0]);
    } else if (!event.shiftKey) {
      state.openEdge(undefined);
      state.select([]);
    }
  };
  element.addEventListener("dblclick", (event) => {
    const { unit } = pointed(event);
    if (unit !== undefined) state.unpin([unit]);
  });
  return element;
}

const between = (value: number, one: number, other: number): boolean =>
  value >= Math.min(one, other) && value <= Math.max(one, other);

function showBrush(brush: HTMLElement, x0: number, y0: number, x1: number, y1: number): void {
  brush.hidden = false;
  Object.assign(brush.style, {
    left: `${Math.min(x0, x1)}px`,
    top: `${Math.min(y0, y1)}px`,
    width: `${Math.abs(x1 - x0)}px`,
    height: `${Math.abs(y1 - y0)}px`,
  });
}

function markAt(marks: (Mark | undefined)[], x: number, y: number): Mark | undefined {
  let [best, least] = [undefined as Mark | undefined, Infinity];
  for (const mark of marks) {
    if (!mark) continue;
    const [dx, dy] = [Math.max(0, Math.abs(x - mark.x) - mark.w), Math.max(0, Math.abs(y - mark.y) - mark.h)];
    const away = Math.hypot(dx, dy);
    if (away <= NEAR - 1 && away + Math.hypot(x - mark.x, y - mark.y) / 100 < least)
      [best, least] = [mark, away + Math.hypot(x - mark.x, y - mark.y) / 100];
  }
  return best;
}

function curveAt(curves: Curve[], x: number, y: number): Curve | undefined {
  let [best, least] = [undefined as Curve | undefined, Infinity];
  for (const curve of curves) {
    const away = distance(curve.path, x, y, NEAR);
    if (away < least) [best, least] = [curve, away];
  }
  return best;
}
