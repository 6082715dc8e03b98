/** The text on the screen: only the lines in sight are in the page; one list, whose active token the keys move. */
import { h } from "../core/elements/dom";
import type { Theme } from "../core/elements/theme";
import { colourToken, tokenBox } from "../core/elements/token_box";
import type { Tooltip } from "../core/elements/tooltip";
import { computed, draw, type ReadonlySignal, signal, sizeOf, watch } from "../core/reactive";
import type { State } from "./state";
import { beside, LINE, type Lines, lineOf, linesOf } from "./text_layout";
import { isClipped } from "./token_colours";
import { describe, noteOf } from "./tooltip_text";

/** Lines beyond those in sight, above and below. */
const BEYOND = 6;

export interface Text {
  element: HTMLElement;
  lines: ReadonlySignal<Lines>;
  /** Of a line. */
  width: ReadonlySignal<number>;
  /** Pixels scrolled, and in sight. */
  top: ReadonlySignal<number>;
  height: ReadonlySignal<number>;
  scrollTo(top: number): void;
  /** Bring a token into sight, the keys to it; with `say`, show its note beside it. */
  goTo(token: number, say?: boolean): void;
}

export function createText(state: State, tooltip: Tooltip, until: AbortSignal): Text {
  const sheet = h("div", { class: "tv-sheet" }, ...(state.tokens.length ? [] : ["The text has no tokens."]));
  const id = `tv${Math.random().toString(36).slice(2, 8)}`;
  const element = h(
    "div",
    {
      class: "tv-text",
      role: "listbox",
      tabindex: 0,
      "aria-multiselectable": "true",
      "aria-label": "Tokens of the text",
    },
    sheet,
  );
  const size = sizeOf(element, until);
  const top = signal(0);
  let own = false; // scrolled by the keys, which show a note
  element.addEventListener("scroll", () => {
    top.value = element.scrollTop;
    if (!own) tooltip.hide();
    own = false;
  });
  const width = computed(() => Math.floor(size.value[0]));
  const lines = computed(() => linesOf(state.tokens, width.value, measureOf(state.theme.value)));
  const height = computed(() => size.value[1]);
  watch(until, () => void (sheet.style.height = `${(lines.value.starts.length - 1) * LINE}px`));

  const spans = new Map<number, HTMLElement>();
  let shown: Lines | undefined;
  const rows = new Map<number, HTMLElement>();
  const render = (): void => {
    if (!size.value[0]) return;
    const now = lines.value;
    if (now !== shown) {
      for (const row of rows.values()) row.remove();
      rows.clear();
      spans.clear();
      shown = now;
    }
    const last = now.starts.length - 2;
    const from = Math.max(0, Math.floor(top.value / LINE) - BEYOND);
    const to = Math.min(last, Math.floor((top.value + height.value) / LINE) + BEYOND);
    for (const [line, row] of rows)
      if (line < from || line > to) {
        for (let at = now.starts[line]!; at < now.starts[line + 1]!; at++) spans.delete(at);
        row.remove();
        rows.delete(line);
      }
    for (let line = from; line <= to; line++)
      if (!rows.has(line)) {
        const row = h("div", { class: "tv-line", role: "presentation" });
        row.style.top = `${line * LINE}px`;
        for (let at = now.starts[line]!; at < now.starts[line + 1]!; at++) {
          const span = spanOf(now, at, id);
          spans.set(at, span);
          row.append(span);
        }
        rows.set(line, row);
        sheet.append(row);
      }
    paint(state, spans, element, id);
  };
  draw(until, render);

  const goTo = (token: number, say = false): void => {
    state.cursor.value = token;
    const place = lineOf(lines.peek(), token) * LINE;
    const [seen, room] = [element.scrollTop, height.peek()];
    if (place < seen + LINE || place > seen + room - 2 * LINE) element.scrollTop = Math.max(0, place - room / 2);
    own = say && element.scrollTop !== seen;
    top.value = element.scrollTop;
    if (!say) return;
    const box = element.getBoundingClientRect();
    const { lefts, widths } = lines.peek();
    tooltip.show(
      box.left + lefts[token]! + widths[token]! / 2 - 14,
      box.top + place - element.scrollTop + LINE - 12,
      noteOf(state, token),
    );
  };
  listenToPointer(state, element, tooltip);
  listenToKeys(state, element, lines, height, goTo, tooltip);
  return {
    element,
    lines,
    width,
    top,
    height,
    scrollTo(to) {
      element.scrollTop = to;
      top.value = element.scrollTop;
    },
    goTo,
  };
}

let known: [string, (text: string) => number] | undefined;

/** How wide a text is in the host's monospaced font. */
function measureOf({ mono }: Theme): (text: string) => number {
  if (known?.[0] === mono) return known[1];
  const pen = document.createElement("canvas").getContext("2d")!;
  pen.font = `12px ${mono}`;
  const measure = (text: string): number => pen.measureText(text).width;
  known = [mono, measure];
  return measure;
}

function spanOf(lines: Lines, at: number, id: string): HTMLElement {
  const span = tokenBox(lines.parts(at), lines.levels[at]! % 2 === 1, {
    role: "option",
    id: `${id}-${at}`,
    "data-at": at,
  });
  span.style.width = `${lines.widths[at]}px`;
  span.style.left = `${lines.lefts[at]}px`;
  return span;
}

/** Colours, and which tokens are selected and pointed at. */
function paint(state: State, spans: Map<number, HTMLElement>, element: HTMLElement, id: string): void {
  const [colours, values, scale] = [state.colours.value, state.values.value, state.scale.value];
  const chosen = new Set(state.selected.value);
  const [pointed, cursor] = [state.pointed.value, state.cursor.value];
  const ground = state.theme.value.groundRgb;
  for (const [at, span] of spans) {
    colourToken(span, colours[at]!, ground);
    span.classList.toggle("tv-above", isClipped(values[at]!, scale));
    if (span.ariaSelected !== String(chosen.has(at))) {
      span.ariaSelected = String(chosen.has(at));
      span.classList.toggle("tv-selected", chosen.has(at));
    }
    span.classList.toggle("tv-pointed", at === pointed);
    span.classList.toggle("tv-cursor", at === cursor);
  }
  if (cursor !== undefined && spans.has(cursor)) {
    spans.get(cursor)!.setAttribute("aria-label", describe(state, cursor));
    element.setAttribute("aria-activedescendant", `${id}-${cursor}`);
  } else element.removeAttribute("aria-activedescendant");
}

const tokenOf = (target: EventTarget | null): number | undefined => {
  const span = target instanceof Element ? target.closest<HTMLElement>("[data-at]") : null;
  return span ? Number(span.dataset.at) : undefined;
};

function listenToPointer(state: State, element: HTMLElement, tooltip: Tooltip): void {
  let from: number | undefined;
  let dragged = false;
  const leave = (): void => {
    state.pointed.value = undefined;
    tooltip.hide();
  };
  element.addEventListener("pointerdown", (event) => {
    from = event.button === 0 && !event.shiftKey ? tokenOf(event.target) : undefined;
    dragged = false;
  });
  element.addEventListener("pointermove", (event) => {
    const at = tokenOf(event.target);
    if (at === undefined) return leave();
    state.pointed.value = at;
    if (event.buttons === 1 && from !== undefined && (at !== from || dragged)) {
      dragged = true;
      state.selectRange(from, at);
    }
    tooltip.show(event.clientX, event.clientY, noteOf(state, at));
  });
  element.addEventListener("pointerleave", leave);
  element.addEventListener("click", (event) => {
    const at = tokenOf(event.target);
    if (at === undefined || dragged) return;
    state.cursor.value = at;
    state.select(at, event.shiftKey);
  });
}

function listenToKeys(
  state: State,
  element: HTMLElement,
  lines: ReadonlySignal<Lines>,
  height: ReadonlySignal<number>,
  goTo: Text["goTo"],
  tooltip: Tooltip,
): void {
  const last = state.tokens.length - 1;
  // an arrow goes where it points: in right-to-left text the next token stands to the left
  const along = (at: number, by: number): number =>
    Math.max(0, Math.min(last, at + (lines.peek().levels[at]! % 2 ? -by : by)));
  const to: Record<string, (event: KeyboardEvent, at: number) => number> = {
    ArrowRight: (_, at) => along(at, 1),
    ArrowLeft: (_, at) => along(at, -1),
    ArrowDown: (_, at) => beside(lines.peek(), at, 1),
    ArrowUp: (_, at) => beside(lines.peek(), at, -1),
    PageDown: (_, at) => beside(lines.peek(), at, Math.max(1, Math.floor(height.peek() / LINE) - 1)),
    PageUp: (_, at) => beside(lines.peek(), at, -Math.max(1, Math.floor(height.peek() / LINE) - 1)),
    Home: ({ ctrlKey }, at) => (ctrlKey ? 0 : lines.peek().starts[lineOf(lines.peek(), at)]!),
    End: ({ ctrlKey }, at) => (ctrlKey ? last : lines.peek().starts[lineOf(lines.peek(), at) + 1]! - 1),
  };
  const start = (): number => state.cursor.peek() ?? state.selected.peek().at(-1) ?? 0;
  element.addEventListener("keydown", (event) => {
    if (event.altKey || event.metaKey || last < 0) return;
    if (to[event.key]) goTo(state.cursor.peek() === undefined ? start() : to[event.key]!(event, start()), true);
    else if (event.key === "Enter" || event.key === " ") state.select(start(), event.shiftKey);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  element.addEventListener("blur", () => tooltip.hide());
}
