/** ProjectionView: points of a projection, each a token in its text. */

import { h } from "./core/elements/dom";
import { bindHeight } from "./core/elements/resize";
import { createToolbar } from "./core/elements/toolbar";
import { saverOf } from "./core/export/save_menu";
import { counted } from "./core/format";
import { listenForKeys } from "./core/keyboard/keyboard";
import type { Key } from "./core/keyboard/shortcut_list";
import { computed, draw, sizeOf, watch } from "./core/reactive";
import { type View, widget } from "./core/view";
import { withoutWebgl } from "./core/webgl/canvas";
import type { ProjectionViewTraits } from "./generated/traits";
import { csv, pythonCode } from "./projection_view/export";
import { figure } from "./projection_view/figure";
import { createHeadLine } from "./projection_view/head_line";
import { createPanel } from "./projection_view/panel";
import css from "./projection_view/projection_view.css";
import { middleOf } from "./projection_view/screen_transform";
import { createStage } from "./projection_view/stage";
import { State } from "./projection_view/state";

const KEYS: Key[] = [
  ["drag", "draw around points to select them; Shift adds"],
  ["r", "a drag draws a rectangle, or a lasso again"],
  ["click, Enter", "select the point; Shift adds, or takes away"],
  ["arrows", "walk to the next point in a direction; Shift adds it"],
  ["n, p, Home, End", "the next point of the text, the one before, the first, the last"],
  ["b, then b or Enter", "mark a corner; the points in the rectangle to where the arrows go"],
  ["Ctrl + wheel, + and −", "zoom"],
  ["Alt + drag", "move the zoomed part"],
  ["0, double click", "see all points"],
  ["c, 1 to 9", "colour by the next column, by that of a number"],
  [", and .", "the layer before, the next layer"],
  ["Escape", "step back: corner, selection, class, zoom"],
  ["?", "this list"],
];
/** Narrower than this the selection stands below. */
const BESIDE = 720;
const [NATURAL, STACKED] = [480, 120];

export default widget(css, build);

function build(view: View<ProjectionViewTraits>): void {
  const { model, root, theme, title, tooltip, selection, requests, until } = view;
  const state = new State(model, selection, requests, theme, until);
  const stage = createStage(state, tooltip, until);
  const saver = saverOf(view, () => figure(state, title.peek()));
  const toolbar = createToolbar(
    root,
    {
      title,
      chips: computed(() =>
        state.selected.value.size
          ? [
              {
                text:
                  state.selected.value.size === 1
                    ? state.texts.name([...state.selected.value][0]!, 16)
                    : counted(state.selected.value.size, "point"),
                clear: () => selection.setPoints([]),
              },
            ]
          : [],
      ),
      keys: KEYS,
      code: () => pythonCode(state),
      saves: {
        SVG: saver.svg,
        PNG: saver.png,
        CSV: async () => saver.file("csv", await csv(state)),
        HTML: saver.html,
      },
    },
    until,
  );
  const body = h("div", { class: "pv-body" }, stage.element, createPanel(state, stage.goTo, until));
  if (!state.n) stage.element.append(h("p", { class: "sw-dim pv-empty" }, "There are no points."));
  root.append(createHeadLine(state, until), body, sentence(state, stage, until));
  const size = sizeOf(root, until);
  const narrow = computed(() => size.value[0] > 0 && size.value[0] < BESIDE);
  watch(until, () => void root.classList.toggle("pv-narrow", narrow.value));
  bindHeight(view, () => NATURAL + (narrow.value ? STACKED : 0));
  announce(state, toolbar.say, until);
  revealFromElsewhere(state, stage.goTo, until);
  listenForKeys(
    root,
    {
      escape: () => toolbar.say(state.stepBack()),
      r: () => (state.tool.value = state.tool.peek() === "lasso" ? "rectangle" : "lasso"),
      c: () => state.stepColumn(1),
      ",": () => state.stepLayer(-1),
      ".": () => state.stepLayer(1),
      "+": () => stage.zoomBy(1.5),
      "=": () => stage.zoomBy(1.5),
      "-": () => stage.zoomBy(1 / 1.5),
      "0": () => (state.zoom.value = middleOf(state.box)),
      ...Object.fromEntries(
        state.columns.slice(0, 9).map(({ name }, at) => [String(at + 1), () => state.setColumn(name)]),
      ),
    },
    until,
  );
}

/** How well neighbours are kept, what is on its way, and that there is no WebGL. */
function sentence(state: State, stage: ReturnType<typeof createStage>, until: AbortSignal): HTMLElement {
  const line = h("p", { class: "pv-said", role: "note" });
  watch(until, () => {
    const said = state.model.get("fidelity")[Math.max(0, state.layers.indexOf(state.layer.value))] ?? "";
    const without = withoutWebgl(stage.canvas.kind.value, "points are drawn one by one.");
    line.replaceChildren(
      [said, without].filter(Boolean).join(" "),
      ...(state.loaded.status.value ? [" ", h("b", {}, state.loaded.status.value)] : []),
    );
    line.hidden = !line.textContent;
  });
  return line;
}

/** Say how many were selected, when that has changed. */
function announce(state: State, say: (text: string) => void, until: AbortSignal): void {
  let before = state.selected.peek().size;
  watch(until, () => {
    const { size } = state.selected.value;
    if (size > 1 && size !== before) say(`${counted(size, "point")} selected.`);
    before = size;
  });
}

/** A point that was selected in Python or in another view comes into sight. */
function revealFromElsewhere(state: State, goTo: (point: number) => void, until: AbortSignal): void {
  let before: number | undefined;
  draw(until, () => {
    const last = [...state.selected.value].at(-1);
    const own = last === state.cursor.peek() || last === state.pointed.peek();
    if (last !== undefined && last !== before && !own && state.selected.peek().size === 1) goTo(last);
    before = last;
  });
}
