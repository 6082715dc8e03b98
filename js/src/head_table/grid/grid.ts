/** The grid: header, and rows that exist only while they can be seen. */
import { h } from "../../core/elements/dom";
import { VirtualRows } from "../../core/elements/virtual_rows";
import { computed, type ReadonlySignal, signal, sizeOf, watch } from "../../core/reactive";
import type { Head } from "../../core/selection";
import { headOf } from "../columns";
import { HEADER, type Layout, layoutOf, ROW } from "../layout";
import { ActiveCell, HEADER_ROW } from "./active_cell";
import { createRow, type RowElement } from "./cells";
import { listenToKeys } from "./grid_keys";
import type { GridOptions } from "./grid_parts";
import { listenToPointer } from "./grid_pointer";
import { canSort, createHeader, type Header } from "./header";

export interface Grid {
  element: HTMLElement;
  layout: ReadonlySignal<Layout>;
  /** Scroll to the first of these heads unless one can be seen; false when the filter hides them all. */
  reveal(heads: Head[]): boolean;
}

export function createGrid(options: GridOptions, until: AbortSignal): Grid {
  const { table, rows, keys, choice, look } = options;
  const body = h("div", { class: "sw-body", role: "rowgroup" });
  const element = h("div", { class: "sw-grid", role: "grid", tabindex: 0, "aria-multiselectable": "true" });
  const layout = signal(layoutOf(table, 0, options.measure));
  // without a scrollbar: columns that went on below it would be cut
  const size = sizeOf(element, until);
  const width = computed(() => size.value[0]);
  let header: Header;
  const list = new VirtualRows<RowElement>(
    element,
    body,
    () => createRow(table, layout.peek(), look),
    ({ element: line, fill }, position) => {
      const row = rows.peek()[position]!;
      fill(row);
      line.setAttribute("aria-rowindex", String(position + 2));
      line.setAttribute("aria-selected", String(choice.has(row)));
      active.mark();
    },
    { row: ROW, header: HEADER },
  );
  const active = new ActiveCell(element, (position) => (position === HEADER_ROW ? header : list.at(position)));
  const go = (position: number, at: number): void => {
    active.position = Math.max(HEADER_ROW, Math.min(rows.peek().length - 1, position));
    active.at = Math.max(0, Math.min(layout.peek().placed.length, at));
    if (active.position >= 0) list.scrollTo(active.position);
    active.mark();
    revealColumn(element, active.element, active.at, layout.peek());
    options.onPoint(active.position, active.at);
  };
  const sort = (at: number, add: boolean): void => {
    if (canSort(layout.peek(), at)) options.onSort(layout.peek(), at, add);
  };

  watch(until, () => {
    layout.value = layoutOf(table, width.value, options.measure);
    header = createHeader(layout.value, options.measure, look.colours(), sort);
    header.mark(keys.peek());
    element.replaceChildren(header.element, body);
    putWidths(element, layout.value, width.value);
    list.rebuild();
  });
  watch(until, () => element.setAttribute("aria-label", options.title.value));
  watch(until, () => {
    const { length } = rows.value;
    element.setAttribute("aria-rowcount", String(length + 1));
    active.position = Math.min(active.position, Math.max(0, length - 1));
    list.reset(length);
    active.mark();
  });
  watch(until, () => header.mark(keys.value));
  watch(until, () => {
    void choice.heads.value;
    void look.theme();
    list.refresh();
  });
  const box = h("div", { class: "sw-box" }, element, emptyNote(options, until));
  listenToScroll(element, box, list, until);
  watch(until, () => {
    void layout.value;
    markMore(element, box);
  });
  const parts = { options, element, body, layout, list, active, go, sort };
  listenToPointer(parts);
  listenToKeys(parts);
  return { element: box, layout, reveal: (heads) => reveal(options, list, heads) };
}

function putWidths(element: HTMLElement, { head, placed, total }: Layout, room: number): void {
  const widths = [head, ...placed.map(({ width }) => width)];
  element.style.setProperty("--columns", widths.map((width) => `${width}px`).join(" "));
  element.style.setProperty("--total", `${total}px`);
  element.setAttribute("aria-colcount", String(placed.length + 1));
  element.classList.toggle("sw-overflows", total > room);
}

function emptyNote({ table, rows, onClear }: GridOptions, until: AbortSignal): HTMLElement {
  const note = h(
    "div",
    { class: "sw-empty", hidden: true },
    "No head passes the filter. ",
    h("button", { class: "sw-button", type: "button", onclick: () => onClear() }, "Clear the filter"),
  );
  watch(until, () => void (note.hidden = rows.value.length > 0 || table.n === 0));
  return note;
}

function listenToScroll(
  element: HTMLElement,
  box: HTMLElement,
  list: VirtualRows<RowElement>,
  until: AbortSignal,
): void {
  const update = (): void => {
    list.update();
    markMore(element, box);
  };
  element.addEventListener("scroll", update, { passive: true });
  const size = new ResizeObserver(update);
  size.observe(element);
  until.addEventListener("abort", () => size.disconnect());
}

/** Fade the right edge where there are more columns: many hosts show no scrollbar before one scrolls. */
function markMore(element: HTMLElement, box: HTMLElement): void {
  const { scrollLeft, clientWidth, scrollWidth, offsetWidth, clientHeight, offsetHeight } = element;
  box.classList.toggle("sw-more", scrollLeft + clientWidth < scrollWidth - 1);
  box.style.setProperty("--columns-end", `0 ${offsetWidth - clientWidth}px ${offsetHeight - clientHeight}px auto`);
}

function reveal({ table, rows }: GridOptions, list: VirtualRows<RowElement>, heads: Head[]): boolean {
  const wanted = new Set(heads.map(String));
  const places: number[] = [];
  rows.peek().forEach((row, position) => wanted.has(String(headOf(table, row))) && places.push(position));
  if (places.length && !places.some((position) => list.isVisible(position))) list.scrollTo(places[0]!);
  return places.length > 0 || !heads.length;
}

/** Scroll sideways until the cell stands beside the first column, which stays where it is. */
function revealColumn(view: HTMLElement, cell: HTMLElement | undefined, at: number, layout: Layout): void {
  if (!cell || at === 0) return;
  const left = cell.offsetLeft - layout.head;
  if (left < view.scrollLeft) view.scrollLeft = left;
  else if (left + layout.head + cell.offsetWidth > view.scrollLeft + view.clientWidth)
    view.scrollLeft = left + layout.head + cell.offsetWidth - view.clientWidth;
}
