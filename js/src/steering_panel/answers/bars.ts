/** The next tokens, unsteered and steered: two columns of bars, joined by lines. */

import { context, h } from "../../core/elements/dom";
import type { Tooltip } from "../../core/elements/tooltip";
import { exact, ordinal } from "../../core/format";
import { computed, draw, signal, sizeOf, watch } from "../../core/reactive";
import { isUnknown, plain, tokenSpan, UNKNOWN } from "../../core/tokens";
import type { State } from "../state";
import type { Shown, Token } from "./answer";
import type { Answers } from "./answers";
import { canvasPen, drawBars } from "./bars_drawing";
import { type Layout, layoutOf, ROW } from "./bars_layout";

/** The list for screen readers follows when the bars have come to rest. */
const REST = 250;

export function createBars(
  state: State,
  { shown, old }: Answers,
  tooltip: Tooltip,
  onPainted: (shown: Shown) => void,
  until: AbortSignal,
): HTMLElement {
  const canvas = h("canvas", { "aria-hidden": "true" });
  const stage = h("div", { class: "sp-stage" }, canvas);
  const list = h("table", { class: "sp-table" });
  const columns = h(
    "div",
    { class: "sp-columns", "aria-hidden": "true" },
    h("span", {}, "unsteered"),
    h("span", {}, "steered"),
  );
  const element = h("div", { class: "sp-bars" }, columns, stage, h("div", { class: "sw-hidden" }, list));
  const size = sizeOf(stage, until);
  const pointed = signal<number | undefined>(undefined);
  const layout = computed<Layout | undefined>(() =>
    shown.value && size.value[0] ? layoutOf(shown.value, size.value[0]) : undefined,
  );
  watch(
    until,
    () => void (layout.value && (columns.style.columnGap = `${layout.value.right - layout.value.left + 12}px`)),
  );
  let painted: Shown | undefined;
  draw(until, () => {
    if (!layout.value) return;
    const { width, height } = layout.value;
    const theme = state.theme.value;
    drawBars(canvasPen(context(canvas, width, height), theme), layout.value, theme, pointed.value);
    const now = shown.peek()!;
    if (now !== painted) onPainted((painted = now));
  });
  watch(until, () => void stage.classList.toggle("sp-old", old.value));

  let resting: ReturnType<typeof setTimeout> | undefined;
  watch(until, () => {
    const now = shown.value;
    clearTimeout(resting);
    if (now) resting = setTimeout(() => list.replaceChildren(...tableOf(now)), REST);
  });
  until.addEventListener("abort", () => clearTimeout(resting));

  stage.addEventListener("pointermove", (event) => {
    const { left, top } = stage.getBoundingClientRect();
    const token = layout.peek() && tokenAt(layout.peek()!, event.clientX - left, event.clientY - top);
    pointed.value = token?.id;
    if (token) tooltip.show(event.clientX, event.clientY, noteOf(token));
    else tooltip.hide();
  });
  stage.addEventListener("pointerleave", () => {
    pointed.value = undefined;
    tooltip.hide();
  });
  return element;
}

function tokenAt({ width, before, after }: Layout, x: number, y: number): Token | undefined {
  return (x < width / 2 ? before : after)[Math.floor(y / ROW)]?.token;
}

const place = (rank: number, atLeast: boolean | undefined): string =>
  `${atLeast && rank >= 10 ? "at best " : ""}${ordinal(rank)}`;

function noteOf(token: Token): HTMLElement[] {
  return [
    h("div", {}, tokenSpan(token.text), isUnknown(token.text) ? `: ${UNKNOWN}` : ""),
    h("div", {}, `unsteered ${exact(token.p0)}, ${place(token.rank0, token.atLeast)}`),
    h("div", {}, `steered ${exact(token.p)}, ${place(token.rank, token.atLeast)}`),
  ];
}

function tableOf({ tokens }: Shown): HTMLElement[] {
  const row = (cell: "td" | "th", texts: string[]): HTMLElement =>
    h("tr", {}, ...texts.map((text) => h(cell, {}, text)));
  return [
    h("caption", {}, "Next tokens"),
    h("thead", {}, row("th", ["token", "unsteered", "steered", "unsteered place", "steered place"])),
    h(
      "tbody",
      {},
      ...tokens.map((token) =>
        row("td", [
          plain(token.text),
          exact(token.p0),
          exact(token.p),
          place(token.rank0, token.atLeast),
          place(token.rank, token.atLeast),
        ]),
      ),
    ),
  ];
}
