/** TokenView: a text coloured by a number a token. */

import { createLegend } from "./core/drawing/legend";
import { copyText } from "./core/elements/clipboard";
import { h } from "./core/elements/dom";
import { bindHeight } from "./core/elements/resize";
import { createToolbar } from "./core/elements/toolbar";
import { saverOf } from "./core/export/save_menu";
import { count, short, steady } from "./core/format";
import { listenForKeys } from "./core/keyboard/keyboard";
import type { Key } from "./core/keyboard/shortcut_list";
import { computed, draw, sizeOf, watch } from "./core/reactive";
import { plain } from "./core/tokens";
import { type View, widget } from "./core/view";
import type { TokenViewTraits } from "./generated/traits";
import { csv, pythonCode } from "./token_view/export";
import { figure } from "./token_view/figure";
import { createLargest } from "./token_view/largest_values";
import { createOverview } from "./token_view/overview";
import { State } from "./token_view/state";
import { createText, type Text } from "./token_view/text";
import { LINE } from "./token_view/text_layout";
import css from "./token_view/token_view.css";

const KEYS: Key[] = [
  ["arrows, Home, End, Page ↑ ↓", "walk the tokens"],
  ["n, p", "the next smaller number, the one before: from the largest on"],
  ["Enter, click", "select the token"],
  ["Shift + Enter, Shift + click", "add a token, or take it away"],
  ["drag", "select the tokens passed over"],
  ["c, 1 to 9", "colour by the next column, by that of a number"],
  ["t", "copy the selected tokens as text, or all"],
  ["Escape", "no token selected"],
  ["?", "this list"],
];
/** Narrower than this the list of the largest stands below. */
const BESIDE = 720;
const [LEAST, MOST] = [300, 520];
const STACKED = 179;
/** Toolbar, legend, edge. */
const AROUND = 96;

export default widget(css, build);

function build(view: View<TokenViewTraits>): void {
  const { model, root, theme, title, tooltip, selection, until } = view;
  const state = new State(model, selection, theme, until);
  const text = createText(state, tooltip, until);
  const saver = saverOf(view, () => figure(state, title.peek()));
  const toolbar = createToolbar(
    root,
    {
      title,
      chips: computed(() =>
        state.selected.value.map((token) => ({
          text: `${token} ${plain(state.tokens[token]!, 12)}`,
          open: () => text.goTo(token),
          clear: () => selection.setTokens(selection.tokens.filter((one) => one !== token)),
        })),
      ),
      keys: KEYS,
      code: () => pythonCode(state),
      saves: { SVG: saver.svg, PNG: saver.png, CSV: () => saver.file("csv", csv(state)), HTML: saver.html },
    },
    until,
  );
  const choose = (token: number): void => {
    text.goTo(token);
    selection.setTokens([token]);
  };
  const body = h(
    "div",
    { class: "tv-body" },
    text.element,
    createOverview(state, text, until),
    createLargest(state, choose, until),
  );
  const copy = async (): Promise<void> => {
    try {
      await copyText(state.text());
      const n = state.selected.peek().length;
      toolbar.say(n ? `Copied the text of ${count(n)} token${n === 1 ? "" : "s"}.` : "Copied the text.");
    } catch (error) {
      toolbar.say((error as Error).message, true);
    }
  };
  root.append(headLine(state, copy, until), body);
  const size = sizeOf(root, until);
  const narrow = computed(() => size.value[0] > 0 && size.value[0] < BESIDE);
  watch(until, () => void body.classList.toggle("tv-narrow", narrow.value));
  bindHeight(view, () => {
    const natural = AROUND + (text.lines.value.starts.length - 1) * LINE;
    return Math.max(LEAST, Math.min(MOST, natural)) + (narrow.value ? STACKED : 0);
  });
  revealFromElsewhere(state, text, until);
  const step = (by: number): void => {
    const token = state.next(by);
    if (token === undefined) return;
    text.element.focus({ preventScroll: true });
    text.goTo(token, true);
  };
  const actions = {
    escape: () => toolbar.say(state.stepBack()),
    n: () => step(1),
    p: () => step(-1),
    c: () => state.stepColumn(1),
    t: () => void copy(),
    ...Object.fromEntries(
      state.columns.slice(0, 9).map(({ name }, at) => [String(at + 1), () => state.setColumn(name)]),
    ),
  };
  listenForKeys(root, actions, until);
}

/** A token that was selected in Python or in another view scrolls into sight. */
function revealFromElsewhere(state: State, text: Text, until: AbortSignal): void {
  let before: number | undefined;
  draw(until, () => {
    const last = state.selected.value.at(-1);
    if (!text.height.value) return;
    if (last !== undefined && last !== before && last !== state.cursor.peek() && last !== state.pointed.peek())
      text.goTo(last);
    before = last;
  });
}

/** Which column the colours show, the legend, the mean. */
function headLine(state: State, copy: () => void, until: AbortSignal): HTMLElement {
  const select = h("select", { class: "sw-select", "aria-label": "What the colours show" });
  const nameOf = ({ label, unit }: { label: string; unit: string }): string => label + (unit ? `, ${unit}` : "");
  select.append(...state.columns.map((column, at) => h("option", { value: at }, nameOf(column))));
  select.addEventListener("change", () => state.setColumn(state.columns[select.selectedIndex]!.name));
  watch(until, () => void (select.selectedIndex = state.columns.indexOf(state.column.value)));
  const place = h("span", { class: "tv-legend" });
  let legend: AbortController | undefined;
  until.addEventListener("abort", () => legend?.abort());
  watch(until, () => {
    const column = state.column.value;
    legend?.abort();
    legend = new AbortController();
    const options = {
      name: nameOf(column),
      scale: state.scale,
      initial: () => state.fitted(),
      largest: () => state.largest(),
      clipped: state.clipped,
      clippedTitle: "Tokens beyond the ends of the scale; a line stands below them",
      table: state.table,
      theme: state.theme,
      onCommit: () => state.commitScale(),
      ...(column.log
        ? {
            floor: 1,
            format: (value: number) =>
              value < 1000 ? short(value) : value < 10_000 ? count(Math.round(value)) : `${Math.round(value / 1000)}k`,
          }
        : {}),
    };
    place.replaceChildren(createLegend(options, legend.signal));
  });
  const mean = h("span", { class: "sw-dim" });
  watch(until, () => {
    const { mean: value, unit, n } = state.column.value;
    mean.textContent =
      value === null
        ? "no number"
        : `mean ${Math.abs(value) < 1000 ? steady(value) : count(Math.round(value)).replace("-", "−")}${unit ? ` ${unit}` : ""} over ${count(n)} token${n === 1 ? "" : "s"}`;
  });
  const text = h(
    "button",
    { class: "sw-button", type: "button", title: "Copy the selected tokens as text, or all (t)", onclick: copy },
    "copy text",
  );
  return h("div", { class: "sw-legend-row tv-head" }, select, place, mean, text);
}
