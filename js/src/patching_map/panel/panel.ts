/** Beside the map: the largest cells or, of an opened one, its prompts and the code that reproduces it. */

import { float64 } from "../../core/bytes";
import { cssColour } from "../../core/drawing/colour";
import { entryOf } from "../../core/drawing/scale";
import { copyText } from "../../core/elements/clipboard";
import { h } from "../../core/elements/dom";
import type { Tooltip } from "../../core/elements/tooltip";
import { count, exact, short, signed } from "../../core/format";
import { computed, signal, sizeOf, untracked, watch } from "../../core/reactive";
import type { Requests } from "../../core/requests";
import { shownOf, statusOf, strongest } from "../cells/cells";
import { statisticsOf } from "../cells/statistics";
import { createDots } from "../drawing/prompt_dots";
import type { State } from "../state";
import { effectText, listed, placeLine, valueLines } from "./cell_note";

const LISTED = 12;
/** Beside the numbers, for who has seen others of the same heads. */
const WHY =
  "How much of the answer each carries, with all that follows from it. Attribution, which counts direct writing alone, ranks heads otherwise.";

interface Details {
  cell: number;
  values: Float64Array;
  code: string;
}

export function createPanel(
  state: State,
  requests: Requests,
  tooltip: Tooltip,
  say: (text: string, isError?: boolean) => void,
  until: AbortSignal,
): HTMLElement {
  const content = h("div", { class: "pm-content" });
  const announcement = h("div", { class: "sw-hidden", role: "status", "aria-live": "polite" });
  const element = h(
    "div",
    { class: "sw-panel sw-rows pm-panel", role: "region", "aria-label": "Details" },
    content,
    announcement,
  );
  const size = sizeOf(element, until);
  const details = signal<Details | undefined>(undefined);
  const problem = signal("");
  const status = computed(() =>
    state.open.value === undefined ? undefined : statusOf(state.effects.value, state.open.value),
  );

  // Asked for when opened, and again when a cell that was waited for has been run.
  watch(until, () => {
    const cell = state.open.value;
    void status.value;
    problem.value = "";
    if (cell === undefined) return;
    requests.ask("cell", { cell }).then(
      ({ data, buffers }) => {
        if (state.open.peek() === cell) details.value = { cell, values: float64(buffers[0]!), code: data.code };
      },
      (error: Error) => {
        if (state.open.peek() === cell && error.name !== "AbortError") problem.value = error.message;
      },
    );
  });

  // While a sweep runs, an opened cell is drawn anew only when something about it changes.
  const lines = computed(() =>
    state.open.value === undefined ? "" : valueLines(state.effects.value, state.open.value).join("\n"),
  );
  const value = computed(() => (state.open.value === undefined ? NaN : shownOf(state.effects.value, state.open.value)));
  let before: number | undefined;
  watch(until, () => {
    const cell = state.open.value;
    const known = details.value?.cell === cell ? details.value : undefined;
    const width = Math.max(160, size.value[0] - 2);
    const parts =
      cell === undefined
        ? list(state)
        : opened(state, cell, value.value, lines.value.split("\n"), known, problem.value, width, tooltip, say);
    keepFocus(content, cell !== before, () => content.replaceChildren(...parts));
    if (cell !== before) {
      element.scrollTop = 0;
      announcement.textContent =
        cell === undefined ? "" : `${state.space.nameOf(cell)}: ${untracked(() => lines.value)}`;
    }
    before = cell;
  });
  return element;
}

/** Do what replaces the content; where it had the focus, its button of the same number has it then, or its first. */
function keepFocus(content: HTMLElement, anew: boolean, replace: () => void): void {
  const buttons = (): HTMLElement[] => [...content.querySelectorAll("button")];
  const focused = buttons().indexOf((content.getRootNode() as Document | ShadowRoot).activeElement as HTMLElement);
  replace();
  if (focused >= 0) buttons()[anew ? 0 : focused]?.focus({ preventScroll: true });
}

function list(state: State): HTMLElement[] {
  const effects = state.effects.value;
  const cells = strongest(effects, LISTED);
  const title = h(
    "div",
    { class: "pm-title" },
    h("b", {}, `Largest ${state.quantity}s`),
    h("span", { class: "sw-dim" }, "click for the prompts"),
  );
  if (!cells.length)
    return [
      title,
      h("div", { class: "sw-dim" }, state.counts.value.undefined ? "No cell is defined." : "Nothing was run yet."),
    ];
  const most = Math.abs(shownOf(effects, cells[0]!));
  const body = h("tbody", {});
  for (const cell of cells) {
    const value = shownOf(effects, cell);
    const bar = h("i", {});
    bar.style.width = `${(Math.abs(value) / most) * 100}%`;
    bar.style.background = cssColour(state.table.value[value < 0 ? 48 : 207]!);
    bar.style.opacity = statusOf(effects, cell) === "estimate" ? "0.5" : "1";
    const name = placeLine(state.space, cell);
    const button = h(
      "button",
      { type: "button", class: "sw-link pm-name", onclick: () => state.choose(cell, false) },
      ...name.childNodes,
    );
    body.append(
      h(
        "tr",
        {},
        h("td", {}, button),
        h("td", { class: "pm-number" }, listed(effects, cell)),
        h("td", { class: "pm-bar", "aria-hidden": "true" }, bar),
      ),
    );
  }
  const why = state.space.components.length ? [] : [h("p", { class: "sw-dim pm-why" }, WHY)];
  return [title, ...why, h("table", { "aria-label": `Largest ${state.quantity}s` }, body)];
}

function opened(
  state: State,
  cell: number,
  value: number,
  lines: string[],
  details: Details | undefined,
  problem: string,
  width: number,
  tooltip: Tooltip,
  say: (text: string, isError?: boolean) => void,
): HTMLElement[] {
  const close = h(
    "button",
    {
      class: "sw-button",
      type: "button",
      "aria-label": "Close the details",
      title: "Close (Escape)",
      onclick: () => (state.open.value = undefined),
    },
    "×",
  );
  const swatch = h("i", { class: "pm-swatch" });
  if (Number.isFinite(value))
    swatch.style.background = cssColour(state.table.value[entryOf(value, state.scale.value)]!);
  const parts: HTMLElement[] = [
    h("div", { class: "pm-title" }, placeLine(state.space, cell), close),
    h(
      "div",
      { class: "pm-value" },
      swatch,
      h("b", {}, lines[0]!),
      h("span", { class: "sw-dim" }, ` ${lines.slice(1).join(", ")}`),
    ),
  ];
  if (problem) return [...parts, h("div", { class: "pm-problem" }, problem)];
  if (!details) return [...parts, h("div", { class: "sw-dim" }, "Loading its prompts …")];
  if (details.values.length) parts.push(...prompts(state, details.values, width, tooltip));
  if (details.code) parts.push(codeBlock(details.code, say));
  return parts;
}

function prompts(state: State, values: Float64Array, width: number, tooltip: Tooltip): HTMLElement[] {
  const statistics = statisticsOf(values);
  const { n, mean, error, low, high } = statistics;
  const table = state.table.value;
  const texts: string[] = state.model.get("prompts");
  const { element, shown } = createDots(
    values,
    statistics,
    width,
    { low: table[60]!, high: table[195]! },
    (at, event) => {
      if (at === undefined || !event) return tooltip.hide();
      tooltip.show(event.clientX, event.clientY, [
        h("div", {}, h("b", {}, signed(values[at]!, exact))),
        h("div", { class: "pm-prompt" }, texts[at] ?? `prompt ${at}`),
      ]);
    },
  );
  const interval = n > 1 ? `${effectText(low)} to ${effectText(high)}` : "";
  const said = n > 1 ? `${count(n)} prompts, mean ${effectText(mean)}, ${interval}` : `1 prompt, ${effectText(mean)}`;
  element.setAttribute("aria-label", said);
  const row = (name: string, text: string): HTMLElement =>
    h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, text));
  const rows = h("tbody", {}, row(n > 1 ? `mean of ${count(n)} prompts` : "1 prompt, no interval", effectText(mean)));
  if (n > 1)
    rows.append(row("standard error (se)", short(Number(error.toPrecision(2)))), row("mean ± 1.96 se", interval));
  const box = h("div", { class: "pm-plot" });
  box.append(element);
  const note = shown < n ? [h("div", { class: "sw-dim" }, `Dots: the first ${shown} prompts.`)] : [];
  return [
    h(
      "div",
      { class: "sw-dim pm-caption" },
      n > 1 ? `${state.quantity[0]!.toUpperCase()}${state.quantity.slice(1)}, one dot a prompt` : "",
    ),
    box,
    ...note,
    h("table", { class: "pm-statistics" }, rows),
  ];
}

function codeBlock(code: string, say: (text: string, isError?: boolean) => void): HTMLElement {
  const copy = h(
    "button",
    {
      class: "sw-button",
      type: "button",
      "aria-label": "Copy the code of this cell",
      onclick: async () => {
        try {
          await copyText(code);
          say("Copied.");
        } catch (error) {
          say((error as Error).message, true);
        }
      },
    },
    "copy",
  );
  return h("div", { class: "pm-code" }, copy, h("pre", {}, code));
}
