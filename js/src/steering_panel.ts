/** SteeringPanel: sliders over interventions, and the next tokens, steered beside unsteered, while one moves. */

import { h, icon } from "./core/elements/dom";
import { bindHeight } from "./core/elements/resize";
import { createToolbar, type Toolbar } from "./core/elements/toolbar";
import { saverOf } from "./core/export/save_menu";
import { listenForKeys } from "./core/keyboard/keyboard";
import type { Key } from "./core/keyboard/shortcut_list";
import { computed, sizeOf, untracked, watch } from "./core/reactive";
import { type View, widget } from "./core/view";
import type { SteeringPanelTraits } from "./generated/traits";
import type { Shown } from "./steering_panel/answers/answer";
import { type Answers, createAnswers } from "./steering_panel/answers/answers";
import { createBars } from "./steering_panel/answers/bars";
import { createHeading } from "./steering_panel/answers/bars_heading";
import { createDials } from "./steering_panel/answers/kl_and_difference";
import { type Continuations, createContinuations } from "./steering_panel/continuations/continuations";
import { csv } from "./steering_panel/export";
import { figure } from "./steering_panel/figure";
import { createAddBox } from "./steering_panel/sliders/add_box";
import { createPresetBox } from "./steering_panel/sliders/preset_box";
import { presetsText } from "./steering_panel/sliders/presets";
import { createSliderList } from "./steering_panel/sliders/slider_list";
import { State } from "./steering_panel/state";
import css from "./steering_panel/steering_panel.css";
import { createSweepPanel } from "./steering_panel/sweeps/sweep_panel";
import { createSweeps, type Sweeps } from "./steering_panel/sweeps/sweeps";

const KEYS: Key[] = [
  ["← →", "less or more; with Shift ten times as much"],
  ["Home, End", "to the lower end, to the upper one"],
  ["0, Delete, double click", "back to where it does nothing"],
  ["↑ ↓", "to the slider before, to the next"],
  ["Tab", "its number, its sweep, its removal"],
  ["Ctrl + Z, Ctrl + Shift + Z", "undo, do again"],
  ["Escape", "stop what is being written or swept"],
  ["?", "this list"],
];
/** Below it the halves stand one above the other; below `TIGHT` a slider takes two lines. */
const [NARROW, TIGHT] = [800, 520];
const [LEAST, MOST] = [488, 560];

export default widget(css, build);

function build(view: View<SteeringPanelTraits>): void {
  const { model, root, theme, tooltip, selection, requests, until } = view;
  const state = new State(model, selection, theme, until);
  const answers = createAnswers(state, requests, root, until);
  const say = (text: string, isError?: boolean): void => toolbar.say(text, isError);
  const attempt = (name: string, args: object): void =>
    void requests.ask(name, args).catch((error: Error) => say(error.message, true));
  const add = (name: string, args: object): Promise<boolean> =>
    requests.ask(name, args).then(
      () => true,
      (error: Error) => {
        say(error.message, true);
        return false;
      },
    );
  state.undoInPython = () => attempt("undo", {});
  const continuations = createContinuations(state, requests, say, until);
  const toolbar = addToolbar(view, state, answers, continuations);
  const sweeps = createSweeps(state, requests, say, until);
  const actions = {
    say,
    sweep: (at: number) => void sweeps.run(at),
    remove: ({ key }: { key: string }) => attempt("remove", { key }),
    addHead: (layer: number, head: number) => attempt("add_head", { layer, head }),
  };
  const left = h(
    "div",
    { class: "sp-left" },
    ...createSliderList(state, actions, until),
    createAddBox(state, add, until),
    createPresetBox(state, say, until),
    createSweepPanel(state, sweeps, tooltip, until),
  );
  const bars = createBars(state, answers, tooltip, (shown) => announce(root, shown), until);
  const right = h(
    "div",
    { class: "sp-right" },
    createHeading(state, answers, until),
    createDials(state, answers, sweeps, until),
    bars,
  );
  const body = h("div", { class: "sp-body" }, left, right);
  root.append(h("div", { class: "sp-all" }, body, continuations.element));
  fitToRoom(view, state, sweeps);
  watch(until, () => {
    left.inert = requests.lost.value;
    if (requests.lost.value) untracked(() => state.freezeAt(answers.shown.peek()!.strengths));
  });
  watch(until, () => {
    if (state.note.value) say(state.note.value);
    state.note.value = "";
  });
  const stop = (): void => {
    sweeps.stop();
    continuations.stop();
  };
  listenForKeys(root, { escape: stop }, until, state);
}

function addToolbar(
  view: View<SteeringPanelTraits>,
  state: State,
  answers: Answers,
  continuations: Continuations,
): Toolbar {
  const { root, title, requests, until } = view;
  const saver = saverOf(view, () => figure(state, answers, continuations, title.peek()));
  const toolbar = createToolbar(
    root,
    {
      title,
      chips: chipsOf(state),
      keys: KEYS,
      code: async () => (await requests.ask("code", { strengths: state.effective.peek() })).data.text,
      saves: {
        SVG: saver.svg,
        PNG: saver.png,
        CSV: () => saver.file("csv", csv(answers.shown.peek()!)),
        JSON: () => saver.file("json", savedPresets(state)),
        HTML: saver.html,
      },
    },
    until,
  );
  toolbar.controls.append(...historyButtons(state, until));
  return toolbar;
}

/** Where there is little room across, what stood side by side stands one above the other, and needs more height. */
function fitToRoom(view: View<SteeringPanelTraits>, state: State, sweeps: Sweeps): void {
  const { root, until } = view;
  const size = sizeOf(root, until);
  const below = (width: number) => computed(() => size.value[0] > 0 && size.value[0] < width);
  const [narrow, tight] = [below(NARROW), below(TIGHT)];
  watch(until, () => void root.classList.toggle("sp-narrow", narrow.value));
  watch(until, () => void root.classList.toggle("sp-tight", tight.value));
  bindHeight(view, () => {
    const sliders = state.sliders.value.length;
    if (!narrow.value) return Math.min(MOST, LEAST + 12 * sliders);
    return 604 + Math.min(336, (tight.value ? 58 : 36) * sliders) + (sweeps.known.value ? 124 : 0);
  });
}

/** Seen from outside: which answer is on the screen. Told after the frame in which it was drawn. */
function announce(root: HTMLElement, { sequence, strengths, input }: Shown): void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    root.dataset.painted = String(sequence);
    root.dispatchEvent(
      new CustomEvent("steering-painted", {
        detail: { sequence, strengths, ms: performance.now() - input },
        bubbles: true,
        composed: true,
      }),
    );
  };
  port2.postMessage(0);
}

const chipsOf = (state: State) =>
  computed(() =>
    state.selectedHeads.value.map(([layer, head]) => ({
      text: `${layer}.${head}`,
      clear: () => state.selection.setHeads(state.selectedHeads.peek().filter(([l, h]) => l !== layer || h !== head)),
    })),
  );

function historyButtons(state: State, until: AbortSignal): HTMLElement[] {
  const button = (text: string, path: string, title: string, onclick: () => void): HTMLButtonElement =>
    h(
      "button",
      { class: "sw-button sp-history", type: "button", title, "aria-label": text, onclick },
      icon(path),
      h("span", {}, text),
    );
  const undo = button("Undo", "M5.500 3 2.500 6l3 3M3 6h6.500a3.500 3.500 0 0 1 0 7H6", "Undo (Ctrl + Z)", () =>
    state.undo(),
  );
  const redo = button(
    "Redo",
    "M10.500 3l3 3-3 3M13 6H6.500a3.500 3.500 0 0 0 0 7H10",
    "Do again (Ctrl + Shift + Z)",
    () => state.redo(),
  );
  const reset = button(
    "Reset",
    "M3.500 2.500v4h4M3.800 6.500a5 5 0 1 1-.6 3.500",
    "All sliders to where they do nothing",
    () => state.reset(),
  );
  watch(until, () => {
    undo.disabled = !state.canUndo.value;
    redo.disabled = !state.history.canRedo.value;
    const { strengths, enabled } = state.setting.value;
    reset.disabled = state.sliders.value.every(({ neutral }, at) => strengths[at] === neutral && enabled[at]);
  });
  return [undo, redo, reset];
}

function savedPresets(state: State): string {
  const presets = state.presets.peek();
  if (!Object.keys(presets).length)
    throw new Error("There is no preset to save yet: give the present strengths a name first.");
  return presetsText(presets, state.sliders.peek(), state.model.get("model_name"));
}
