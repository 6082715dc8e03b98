/** AttentionStack: all heads of all layers as slices in space. */

import css from "./attention_stack/attention_stack.css";
import { csv, pythonCode } from "./attention_stack/export";
import { figure } from "./attention_stack/figure";
import { createHeadPanel } from "./attention_stack/head_panel";
import { hiddenText } from "./attention_stack/hidden_text";
import type { Pose } from "./attention_stack/scene";
import { createStage, type Stage } from "./attention_stack/stage";
import { State, USUAL } from "./attention_stack/state";
import { createLegend } from "./core/drawing/legend";
import { h } from "./core/elements/dom";
import { bindHeight } from "./core/elements/resize";
import { createToolbar } from "./core/elements/toolbar";
import { saverOf } from "./core/export/save_menu";
import { listenForKeys } from "./core/keyboard/keyboard";
import type { Key } from "./core/keyboard/shortcut_list";
import { computed, sizeOf, watch } from "./core/reactive";
import { withoutHead } from "./core/selection";
import { type View, widget } from "./core/view";
import { withoutWebgl } from "./core/webgl/canvas";
import type { AttentionStackTraits } from "./generated/traits";

const KEYS: Key[] = [
  ["drag", "turn and tilt the stack"],
  ["a and d, w and s", "turn, tilt"],
  [", and .", "spread less, more"],
  ["f", "lay it flat, or back"],
  ["click, Enter", "select the head; Shift adds, or takes away"],
  ["arrows, Home, End", "walk the heads; up are deeper layers"],
  ["Ctrl + wheel, + and −", "zoom"],
  ["Alt + drag", "move the zoomed part"],
  ["0, double click", "as it was at first"],
  ["Escape", "step back: heads, zoom"],
  ["?", "this list"],
];
/** Narrower than this the head stands below. */
const BESIDE = 760;
const [NATURAL, STACKED] = [560, 280];
const NAMED = [
  ["stack", 0],
  ["layers", 0.5],
  ["flat", 1],
] as const;
/** Flat, and seen from the front. */
const FLAT = { spread: 1, turn: 0, tilt: 0 };

/** Spread and turned so; what is seen from aside does not lie flat, however far it is spread. */
const isFlat = ({ spread, turn, tilt }: Pose): boolean => spread === 1 && !turn && !tilt;

/** Spread so far; what is seen from the front shows no depth, so that it is turned. */
const spreadTo = (spread: number, { turn, tilt }: Pose): Partial<Pose> =>
  spread === 1 ? FLAT : turn || tilt ? { spread } : { spread, turn: USUAL.turn, tilt: USUAL.tilt };

export default widget(css, build);

function build(view: View<AttentionStackTraits>): void {
  const { model, root, theme, title, tooltip, selection, requests, until } = view;
  const state = new State(model, selection, requests, theme, until);
  const stage = createStage(state, tooltip, until);
  const name = (): string => [title.peek(), ...state.heads.peek().map((head) => head.join("."))].slice(0, 3).join(" ");
  const saver = saverOf(view, () => figure(state, title.peek()), { name, notes: true });
  const toolbar = createToolbar(
    root,
    {
      title,
      chips: computed(() =>
        state.heads.value.map((head) => ({
          text: head.join("."),
          current: head === state.heads.value.at(-1),
          open: () => selection.setHeads([...withoutHead(selection.heads, head), head]),
          clear: () => selection.setHeads(withoutHead(selection.heads, head)),
        })),
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
  watch(until, () => toolbar.say(state.status.value, !!state.status.value && !state.status.value.endsWith("…")));
  const body = h("div", { class: "as-body" }, stage.element, createHeadPanel(state, until));
  root.append(headLine(state, until), body, sentence(state, stage, until));
  const size = sizeOf(root, until);
  const narrow = computed(() => size.value[0] > 0 && size.value[0] < BESIDE);
  watch(until, () => void root.classList.toggle("as-narrow", narrow.value));
  bindHeight(view, () => NATURAL + (narrow.value ? STACKED : 0));
  const reset = (): void => state.look({ ...USUAL });
  stage.element.addEventListener("dblclick", reset);
  let before: Partial<Pose> = USUAL;
  const flat = (): void => {
    const { spread, turn, tilt } = state.pose.peek();
    const lies = isFlat(state.pose.peek());
    if (!lies) before = { spread, turn, tilt };
    state.look(lies ? before : FLAT);
  };
  listenForKeys(
    root,
    {
      escape: () => toolbar.say(state.stepBack()),
      a: () => state.turnBy(-1, 0),
      d: () => state.turnBy(1, 0),
      w: () => state.turnBy(0, -1),
      s: () => state.turnBy(0, 1),
      ",": () => state.spreadBy(-1),
      ".": () => state.spreadBy(1),
      f: flat,
      "+": () => stage.zoomBy(1.4),
      "=": () => stage.zoomBy(1.4),
      "-": () => stage.zoomBy(1 / 1.4),
      "0": reset,
    },
    until,
  );
}

/** The legend with its threshold, and how far the stack is spread. */
function headLine(state: State, until: AbortSignal): HTMLElement {
  const legend = createLegend(
    {
      name: "attention",
      scale: state.scale,
      initial: () => ({ kind: "linear", low: 0, high: 1, threshold: 0.05 }),
      largest: () => state.largest(),
      clipped: computed(() => 0),
      table: state.table,
      theme: state.theme,
      onCommit: () => state.commitScale(),
    },
    until,
  );
  const input = h("input", { type: "range", min: 0, max: 1, step: 0.01, "aria-label": "Spread" });
  input.addEventListener("input", () => state.look({ spread: Number(input.value) }, false));
  input.addEventListener("change", () => state.commitPose());
  watch(until, () => {
    const { spread } = state.pose.value;
    input.value = String(spread);
    input.setAttribute("aria-valuetext", `${Math.round(100 * spread)} %`);
  });
  const views = NAMED.map(([words, spread]) => {
    const button = h(
      "button",
      { class: "sw-button", type: "button", onclick: () => state.look(spreadTo(spread, state.pose.peek())) },
      words,
    );
    watch(until, () => {
      const pose = state.pose.value;
      button.setAttribute("aria-pressed", String(spread === 1 ? isFlat(pose) : pose.spread === spread));
    });
    return button;
  });
  return h(
    "div",
    { class: "sw-legend-row as-head" },
    legend,
    h("label", { class: "as-spread" }, "spread", input),
    h("span", { class: "as-views", role: "group", "aria-label": "How far it is spread" }, ...views),
  );
}

/** What is hidden, how coarse slices are, and that there is no WebGL. */
function sentence(state: State, stage: Stage, until: AbortSignal): HTMLElement {
  const line = h("p", { class: "as-said", role: "note" });
  const coarse =
    state.side < state.tokens.length
      ? `A slice has ${state.side} × ${state.side} pixels for ${state.tokens.length} × ${state.tokens.length} cells: each shows the largest of its cells.`
      : "";
  watch(until, () => {
    const without = withoutWebgl(stage.kind.value, "slices are drawn one by one.");
    line.textContent = [hiddenText(state), coarse, without].filter(Boolean).join(" ");
  });
  return line;
}
