/** What the tokens of the sentence carry: bars of attention, the selection, the token that is pointed at. */

import { read } from "../core/attention/pattern";
import { cssColour } from "../core/drawing/colour";
import { entryOf } from "../core/drawing/scale";
import { draw } from "../core/reactive";
import type { Sentence } from "./sentence_state";

const THICKEST = 5;

export function drawAttention(sentence: Sentence, until: AbortSignal): void {
  // A hover changes few tokens; only those are touched.
  let marked = new Map<HTMLElement, string>();
  draw(until, () => {
    const marks = barsOf(sentence);
    for (const span of marked.keys()) if (!marks.has(span)) span.style.boxShadow = "";
    for (const [span, shadow] of marks) if (marked.get(span) !== shadow) span.style.boxShadow = shadow;
    marked = marks;
  });
}

/** Shadows that are bars: below each token what the query attends to, above it what attends to the query. */
function barsOf({ state, panel, first, spans }: Sentence): Map<HTMLElement, string> {
  const head = state.spoken.value;
  const pattern = head && state.patterns.get(head, panel.value).value;
  const query = state.hover.value ? state.hoverIn(panel.value)!.query : state.selectedIn(panel.value).at(-1);
  const bars = new Map<HTMLElement, string>();
  if (!pattern || query === undefined || query >= state.sizeOf(panel.value)) return bars;
  const scale = state.openedScaleOf(panel.value);
  const table = state.tableOf(panel.value);
  const bar = (value: number): [number, string] => {
    const entry = entryOf(value, scale);
    const strength = entry < 0 ? 0 : scale.low < 0 ? Math.abs(entry - 127.5) / 127.5 : entry / 255;
    return [strength < 0.02 ? 0 : Math.ceil(strength * THICKEST), cssColour(table[Math.max(0, entry)]!)];
  };
  spans.value.forEach((span, i) => {
    const at = first.value + i;
    const [under, underColour] = at <= query ? bar(read(pattern, query, at).value) : [0, ""];
    const [over, overColour] = at >= query ? bar(read(pattern, at, query).value) : [0, ""];
    const shadows = [under && `inset 0 -${under}px ${underColour}`, over && `inset 0 ${over}px ${overColour}`];
    if (under || over) bars.set(span, shadows.filter(Boolean).join(","));
  });
  return bars;
}

export function drawChosen({ state, panel, first, spans }: Sentence, until: AbortSignal): void {
  let before: Element[] = [];
  draw(until, () => {
    const all = spans.value;
    const at = (token: number | undefined): HTMLElement | undefined =>
      token === undefined ? undefined : all[token - first.value];
    for (const span of before) span.classList.remove("av-selected", "av-query"), span.removeAttribute("aria-selected");
    const chosen = state.selectedIn(panel.value).flatMap((token) => at(token) ?? []);
    for (const span of chosen) span.classList.add("av-selected"), span.setAttribute("aria-selected", "true");
    const query = at(state.hoverIn(panel.value)?.query);
    query?.classList.add("av-query");
    before = [...chosen, ...(query ? [query] : [])];
  });
}
