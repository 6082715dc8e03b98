/** The grid: header, rows that exist only while they can be seen, pointer and keys. */
import { h } from "../../core/elements/dom";
import { type ReadonlySignal, signal, watch } from "../../core/reactive";
import type { Head } from "../../core/selection";
import { headOf, type Table } from "../columns";
import { type Layout, layoutOf, type Measure } from "../layout";
import type { SortKey } from "../order";
import type { Choice, Extend } from "../row_selection";
import { createRow, type Look, type RowElement } from "./cells";
import { canSort, createHeader, type Header } from "./header";
import { VirtualRows } from "./rows";

export interface GridOptions {
  table: Table;
  title: ReadonlySignal<string>;
  rows: ReadonlySignal<Int32Array>;
  keys: ReadonlySignal<readonly SortKey[]>;
  choice: Choice;
  look: Look;
  width: ReadonlySignal<number>;
  measure: Measure;
  onClear(): void;
  onSort(layout: Layout, at: number, add: boolean): void;
  /** The cell under the pointer or the keyboard; a position of -1 is none. */
  onPoint(position: number, at: number, event?: PointerEvent): void;
}

export interface Grid {
  element: HTMLElement;
  layout: ReadonlySignal<Layout>;
  /** Scroll to the first of these heads unless one can be seen; false when the filter hides them all. */
  reveal(heads: Head[]): boolean;
}

let ids = 0;
const HEADER_ROW = -1;

export function createGrid(options: GridOptions, until: AbortSignal): Grid {
  const { table, rows, keys, choice, title } = options;
  const id = `sw-ht-active-${++ids}`;
  const body = h("div", { class: "sw-body", role: "rowgroup" });
  const element = h("div", { class: "sw-grid", role: "grid", tabindex: 0, "aria-multiselectable": "true" });
  const layout = signal(layoutOf(table, 0, options.measure));
  let header: Header;
  let active = { position: 0, at: 0 };
  let marked: HTMLElement[] = [];

  const list = new VirtualRows<RowElement>(
    element,
    body,
    () => createRow(table, layout.peek(), options.look),
    ({ element: line, fill }, position) => {
      const row = rows.peek()[position]!;
      fill(row);
      line.setAttribute("aria-rowindex", String(position + 2));
      line.setAttribute("aria-selected", String(choice.has(row)));
      mark();
    },
  );

  /** The active cell carries the id that the grid's aria-activedescendant names, while it exists. */
  const mark = (): void => {
    for (const one of marked) {
      one.classList.remove("sw-active");
      one.removeAttribute("id");
    }
    const line = active.position === HEADER_ROW ? header : list.at(active.position);
    const cell = line?.cells[active.at];
    marked = line && cell ? [line.element, cell] : [];
    for (const one of marked) one.classList.add("sw-active");
    if (cell) cell.id = id;
    element.setAttribute("aria-activedescendant", cell ? id : "");
  };

  const go = (position: number, at: number): void => {
    active = {
      position: Math.max(HEADER_ROW, Math.min(rows.peek().length - 1, position)),
      at: Math.max(0, Math.min(layout.peek().placed.length, at)),
    };
    if (active.position >= 0) list.scrollTo(active.position);
    mark();
    revealColumn(element, marked[1], active.at, layout.peek());
    options.onPoint(active.position, active.at);
  };

  const sort = (at: number, add: boolean): void => {
    if (canSort(layout.peek(), at)) options.onSort(layout.peek(), at, add);
  };
  watch(until, () => {
    layout.value = layoutOf(table, options.width.value, options.measure);
    const { head, placed, total } = layout.value;
    element.style.setProperty(
      "--columns",
      [head, ...placed.map(({ width }) => width)].map((width) => `${width}px`).join(" "),
    );
    element.style.setProperty("--total", `${total}px`);
    header = createHeader(layout.value, options.measure, options.look.colours(), sort);
    header.mark(keys.peek());
    element.replaceChildren(header.element, body);
    element.setAttribute("aria-colcount", String(placed.length + 1));
    element.classList.toggle("sw-overflows", total > options.width.value);
    list.rebuild();
  });
  watch(until, () => element.setAttribute("aria-label", title.value));
  watch(until, () => {
    element.setAttribute("aria-rowcount", String(rows.value.length + 1));
    active = { position: Math.min(active.position, Math.max(0, rows.value.length - 1)), at: active.at };
    list.reset(rows.value.length);
    mark();
  });
  watch(until, () => header.mark(keys.value));
  watch(until, () => {
    void choice.heads.value;
    void options.look.theme();
    list.refresh();
  });
  const empty = h("div", { class: "sw-empty", hidden: true }, "No head passes the filter. ");
  empty.append(
    h("button", { class: "sw-button", type: "button", onclick: () => options.onClear() }, "Clear the filter"),
  );
  const box = h("div", { class: "sw-box" }, element, empty);
  watch(until, () => void (empty.hidden = rows.value.length > 0 || table.n === 0));
  element.addEventListener("scroll", () => list.update(), { passive: true });
  const size = new ResizeObserver(() => list.update());
  size.observe(element);
  until.addEventListener("abort", () => size.disconnect());

  const at = (event: Event): { position: number; at: number } => {
    const cell = (event.target as Element).closest<HTMLElement>("[aria-colindex]");
    const line = (event.target as Element).closest<HTMLElement>(".sw-row");
    return {
      position: line ? list.positionOf(line) : -1,
      at: cell ? Number(cell.getAttribute("aria-colindex")) - 1 : 0,
    };
  };
  body.addEventListener("click", (event) => {
    const place = at(event);
    if (place.position < 0) return;
    choice.pick(place.position, event.shiftKey ? "range" : event.ctrlKey || event.metaKey ? "toggle" : "replace");
    go(place.position, place.at);
  });
  body.addEventListener("mousedown", (event) => event.shiftKey && event.preventDefault()); // else shift selects text
  element.addEventListener("pointermove", (event) => {
    const place = at(event);
    options.onPoint(place.position, place.at, event);
  });
  element.addEventListener("focus", () => {
    if (element.matches(":focus-visible")) go(active.position, active.at);
  });
  element.addEventListener("pointerleave", () => options.onPoint(-1, 0));

  element.addEventListener("keydown", (event) => {
    if (event.altKey) return;
    const { position, at: column } = active;
    const last = rows.peek().length - 1;
    const far = event.ctrlKey || event.metaKey;
    const steps: Record<string, [number, number]> = {
      ArrowUp: [position - 1, column],
      ArrowDown: [position + 1, column],
      ArrowLeft: [position, column - 1],
      ArrowRight: [position, column + 1],
      PageUp: [Math.max(0, position - list.page), column],
      PageDown: [position + list.page, column],
      Home: far ? [0, 0] : [0, column],
      End: far ? [last, layout.peek().placed.length] : [last, column],
    };
    const step = steps[event.key];
    if (step) {
      go(...step);
      if (event.shiftKey && active.position !== position && active.position >= 0) choice.pick(active.position, "range");
    } else if (event.key === "Enter" || event.key === " ") {
      const extend: Extend = event.shiftKey ? "range" : event.key === " " || far ? "toggle" : "replace";
      if (position === HEADER_ROW) sort(column, event.shiftKey);
      else choice.pick(position, extend);
    } else if (event.key === "Escape" && choice.heads.peek().length) choice.clear();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  return {
    element: box,
    layout,
    reveal(heads) {
      const wanted = new Set(heads.map(String));
      const places: number[] = [];
      rows.peek().forEach((row, position) => wanted.has(String(headOf(table, row))) && places.push(position));
      if (places.length && !places.some((position) => list.isVisible(position))) list.scrollTo(places[0]!);
      return places.length > 0 || !heads.length;
    },
  };
}

/** Scroll sideways until the cell stands beside the first column, which stays where it is. */
function revealColumn(view: HTMLElement, cell: HTMLElement | undefined, at: number, layout: Layout): void {
  if (!cell || at === 0) return;
  const left = cell.offsetLeft - layout.head;
  if (left < view.scrollLeft) view.scrollLeft = left;
  else if (left + layout.head + cell.offsetWidth > view.scrollLeft + view.clientWidth)
    view.scrollLeft = left + layout.head + cell.offsetWidth - view.clientWidth;
}
