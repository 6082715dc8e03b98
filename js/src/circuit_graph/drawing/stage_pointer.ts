/** The pointer over the graph: the note beside it, choosing, moving a node, selecting those inside a rectangle. */
import { followPointer, placeIn } from "../../core/elements/pointer";
import type { Tooltip } from "../../core/elements/tooltip";
import { curveNote, unitNote } from "../panel/tooltip_text";
import type { Place, Pointed, State } from "../state";
import { type Curve, distance } from "./edge_lines";
import type { Navigator } from "./node_keyboard";
import type { Mark } from "./scene";

const NEAR = 5;
/** So far a pointer moves before it drags. */
const SLACK = 4;

/** What the pointer acts on. */
export interface Stage {
  state: State;
  element: HTMLElement;
  /** The rectangle that is being drawn. */
  brush: HTMLElement;
  navigator: Navigator;
  tooltip: Tooltip;
  say(text: string): void;
}

type Point = readonly [x: number, y: number];

/** What a pointer does that is held down and moves. */
interface Drag {
  move(to: Point): void;
  drop(to: Point, extend: boolean): void;
}

export function listenToPointer(stage: Stage): void {
  const { state, element } = stage;
  listenToHover(stage);
  listenToPress(stage);
  element.addEventListener("dblclick", (event) => {
    const { unit } = pointed(stage, event);
    if (unit !== undefined) state.unpin([unit]);
  });
}

function listenToHover(stage: Stage): void {
  const { state, element, tooltip } = stage;
  element.addEventListener("pointermove", (event) => {
    if (!event.buttons) show(stage, event, pointed(stage, event));
  });
  element.addEventListener("pointerleave", () => {
    state.hover.value = {};
    tooltip.hide();
  });
}

function show({ state, element, tooltip }: Stage, event: MouseEvent, found: Pointed): void {
  const before = state.hover.peek();
  if (before.unit !== found.unit || before.curve !== found.curve) state.hover.value = found;
  element.style.cursor = found.unit !== undefined || found.curve ? "pointer" : "default";
  const unit = state.unitOf(found.unit);
  if (unit) tooltip.show(event.clientX, event.clientY, unitNote(state, unit));
  else if (found.curve) tooltip.show(event.clientX, event.clientY, curveNote(state, found.curve));
  else tooltip.hide();
}

function listenToPress(stage: Stage): void {
  const { state, element, brush, navigator, tooltip } = stage;
  element.addEventListener("pointerdown", (down) => {
    if (down.button) return;
    const start = pointOf(stage, down);
    const mark = markAt(state.scene.peek().marks, ...start);
    const drag = mark ? dragOfNode(stage, mark, start) : dragOfBrush(stage, start);
    let dragged = false;
    const follow = (move: PointerEvent): void => {
      const [x, y] = pointOf(stage, move);
      dragged ||= Math.hypot(x - start[0], y - start[1]) > SLACK;
      if (!dragged) return;
      tooltip.hide();
      drag.move([x, y]);
    };
    element.onpointerup = (up) => {
      // Keys that follow are meant for what was clicked.
      navigator.focus();
      if (dragged) drag.drop(pointOf(stage, up), up.shiftKey);
      else click(stage, up);
    };
    followPointer(element, down, follow, () => {
      element.onpointerup = null;
      state.moving.value = undefined;
      brush.hidden = true;
    });
  });
}

/** The node goes with the pointer, and is pinned where it is let go. */
function dragOfNode({ state, say }: Stage, mark: Mark, [x0, y0]: Point): Drag {
  const { key } = mark.unit;
  const grip = [mark.x - x0, mark.y - y0] as const;
  const place = ([x, y]: Point): Place => state.scene.peek().frame.placeAt(x + grip[0], y + grip[1]);
  return {
    move: (to) => void (state.moving.value = { key, place: place(to) }),
    drop(to) {
      state.pin(key, place(to));
      say("Pinned. Its place can be reset in its panel.");
    },
  };
}

/** A rectangle; the nodes inside are selected. */
function dragOfBrush({ state, brush, navigator }: Stage, [x0, y0]: Point): Drag {
  return {
    move: ([x, y]) => showBrush(brush, x0, y0, x, y),
    drop([x, y], extend) {
      const inside = state.scene
        .peek()
        .marks.filter(
          (one): one is Mark => !!one && one.state !== "out" && between(one.x, x0, x) && between(one.y, y0, y),
        );
      state.select(
        inside.map(({ unit }) => unit.key),
        extend,
      );
      if (inside.length) navigator.stand(inside.at(-1)!.unit.key);
    },
  };
}

function click(stage: Stage, event: MouseEvent): void {
  const { state, navigator } = stage;
  const { unit, curve } = pointed(stage, event);
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
}

const pointOf = ({ element }: Stage, event: MouseEvent): Point => placeIn(element, event);

function pointed(stage: Stage, event: MouseEvent): Pointed {
  const [x, y] = pointOf(stage, event);
  const { marks, curves } = stage.state.scene.peek();
  const mark = markAt(marks, x, y);
  return mark ? { unit: mark.unit.key } : { curve: curveAt(curves, x, y) };
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
