/** What is said of a token: itself, its position, its numbers. */
import { h } from "../core/elements/dom";
import { exact } from "../core/format";
import { plain, plainAt, tokenSpan, tokenSpanAt } from "../core/tokens";
import type { State } from "./state";

const LONGEST = 200;

export function written(value: number): string {
  if (Number.isNaN(value)) return "none";
  if (!Number.isFinite(value)) return value < 0 ? "−∞" : "∞";
  return Number.isInteger(value) && Math.abs(value) < 1e15
    ? value.toLocaleString("en").replace("-", "−")
    : exact(value);
}

const withUnit = (value: number, unit: string): string =>
  written(value) + (unit && !Number.isNaN(value) ? ` ${unit}` : "");

/** In one line, for screen readers. */
export function describe(state: State, token: number): string {
  const { label, unit } = state.column.peek();
  const others = state.columns.flatMap((column, i) =>
    column === state.column.peek() ? [] : [`${column.label} ${withUnit(state.numbers[i]![token]!, column.unit)}`],
  );
  const expected = state.expected[token] ? [`expected ${plain(state.expected[token]!, 40)}`] : [];
  return [
    `position ${token} ${plainAt(state.tokens, token, LONGEST)}: ${label} ${withUnit(state.values.peek()[token]!, unit)}`,
    ...others,
    ...expected,
  ].join(", ");
}

/** The same as lines of a note, the number on show first. */
export function noteOf(state: State, token: number): Node[] {
  const now = state.column.peek();
  const order = [now, ...state.columns.filter((column) => column !== now)];
  const rows = order.map((column) => {
    const value = withUnit(state.numbers[state.columns.indexOf(column)]![token]!, column.unit);
    return h(
      "tr",
      column === now ? { class: "tv-now" } : {},
      h("th", { scope: "row" }, column.label),
      h("td", {}, value),
    );
  });
  const text = state.tokens[token]!;
  const shown =
    [...text].length > LONGEST
      ? tokenSpan(`${[...text].slice(0, LONGEST).join("")}…`)
      : tokenSpanAt(state.tokens, token);
  const expected = state.expected[token];
  return [
    h("div", {}, shown, h("span", { class: "sw-dim" }, ` position ${token}`)),
    h("table", { class: "tv-note" }, h("tbody", {}, ...rows)),
    ...(expected
      ? [h("div", { class: "sw-dim" }, "expected ", tokenSpan([...expected].slice(0, LONGEST).join("")))]
      : []),
  ];
}
