/** What is said of a point: its token in its text, where that is, its colours. */
import { h } from "../core/elements/dom";
import { exact } from "../core/format";
import { plain, tokenSpan } from "../core/tokens";
import { seenName } from "./colours";
import type { State } from "./state";

/** Tokens on either side, and characters of a token. */
const [REACH, LONGEST] = [10, 40];

export const written = (value: string | number | undefined): string =>
  value === undefined
    ? "none"
    : typeof value === "string"
      ? seenName(value, 60)
      : Number.isInteger(value)
        ? value.toLocaleString("en").replace("-", "−")
        : exact(value);

const cut = (token: string): string => {
  const chars = [...token];
  return chars.length > LONGEST ? `${chars.slice(0, LONGEST).join("")}…` : token;
};

/** The token among those around it, as elements; untrusted, and always text. */
export function contextSpan(state: State, point: number, reach: number): HTMLElement {
  const found = state.texts.context(point, reach);
  if (!found) return h("span", { class: "pv-context" }, state.texts.place(point));
  const { before, token, after, more } = found;
  const around = (tokens: readonly string[]): HTMLElement =>
    h("span", { class: "pv-around" }, ...tokens.map((one) => tokenSpan(cut(one))));
  return h(
    "span",
    { class: "pv-context" },
    more[0] ? "… " : "",
    around(before),
    h("b", {}, tokenSpan(cut(token))),
    around(after),
    more[1] ? " …" : "",
  );
}

export function noteOf(state: State, point: number): Node[] {
  const column = state.column.peek();
  const place = state.texts.hasTokens ? [h("div", { class: "sw-dim" }, state.texts.place(point))] : [];
  const value = column
    ? [h("div", {}, h("span", { class: "sw-dim" }, `${seenName(column.name, 40)} `), written(state.valueOf(point)))]
    : [];
  return [h("div", {}, contextSpan(state, point, REACH)), ...place, ...value];
}

/** The same in one line, for screen readers. */
export function describe(state: State, point: number): string {
  const found = state.texts.context(point, 4);
  const column = state.column.peek();
  const words = (tokens: readonly string[]): string => tokens.map((one) => plain(one, LONGEST)).join("");
  return [
    ...(found ? [`“${plain(found.token, LONGEST)}”`] : []),
    ...(found && (found.before.length || found.after.length)
      ? [`in “${words(found.before)}${plain(found.token, LONGEST)}${words(found.after)}”`]
      : []),
    state.texts.place(point),
    ...(column ? [`${seenName(column.name, 40)} ${written(state.valueOf(point))}`] : []),
  ].join(", ");
}
