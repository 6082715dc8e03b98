/** The panels in their columns: dragged, moved by keys, and left as they are where nothing concerns them. */
import { h } from "../core/elements/dom";
import { signal, sizeOf, watch } from "../core/reactive";
import { type PanelSpec, panelsOf, visibleColumns, widePanels } from "./layout";
import type { PageState } from "./page_state";
import { createFrame, type Frame } from "./panel_frame";
import { columnsWanted } from "./settings";

export interface Board {
  element: HTMLElement;
  /** Put the focus on the n-th panel, as they are read. */
  focus(n: number): void;
  focusPanel(id: string): void;
  /** Put the focus on a panel that is new, and all of it into sight, also when its view has come. */
  reveal(id: string): void;
  /** The panel that has the focus. */
  current(): string | undefined;
}

export function createBoard(page: PageState, openMenu: () => void): Board {
  const { until } = page;
  const frames = new Map<string, Frame>();
  const wide = h("div", { class: "wp-wide" });
  const row = h("div", { class: "wp-columns" });
  const empty = h(
    "div",
    { class: "wp-empty" },
    h("p", {}, "No panel is open."),
    h("button", { class: "sw-button wp-primary", type: "button", onclick: openMenu }, "Add a panel"),
  );
  const element = h("main", { class: "wp-board", "aria-label": "Panels" }, wide, row, empty);
  const size = sizeOf(element, until);
  const mark = h("div", { class: "wp-drop" });
  const dragged = signal<string | undefined>(undefined);

  watch(until, () => {
    const layout = page.layout.value;
    const panels = panelsOf(layout);
    const wanted = new Set(panels.map(({ id }) => id));
    for (const [id, frame] of frames)
      if (!wanted.has(id)) {
        frame.end();
        frames.delete(id);
      }
    for (const { id } of panels)
      if (!frames.has(id)) {
        const frame = createFrame(page, id);
        listen(frame, id);
        frames.set(id, frame);
      }
    empty.hidden = panels.length > 0;
    const width = size.value[0];
    if (!width) return;
    put(wide, widePanels(layout));
    wide.hidden = !wide.childElementCount;
    const columns = visibleColumns(layout, width, columnsWanted.value);
    while (row.childElementCount < columns.length) row.append(h("div", { class: "wp-column" }));
    columns.forEach((column, at) => put(row.children[at] as HTMLElement, column));
    while (row.childElementCount > columns.length) row.lastElementChild!.remove();
  });

  /** Moved only where it is not there: an element that is moved loses the focus and how far it was scrolled. */
  function put(parent: HTMLElement, panels: readonly PanelSpec[]): void {
    panels.forEach(({ id }, at) => {
      const { element: panel } = frames.get(id)!;
      if (parent.children[at] !== panel) parent.insertBefore(panel, parent.children[at] ?? null);
    });
  }

  function listen({ element: panel, grip }: Frame, id: string): void {
    grip.addEventListener("dragstart", (event) => {
      dragged.value = id;
      event.dataTransfer!.effectAllowed = "move";
      event.dataTransfer!.setData("text/plain", id);
      panel.classList.add("wp-dragged");
    });
    grip.addEventListener("dragend", () => {
      dragged.value = undefined;
      panel.classList.remove("wp-dragged");
      mark.remove();
    });
  }

  row.addEventListener("dragover", (event) => {
    if (!dragged.peek()) return;
    event.preventDefault();
    const place = placeAt(row, event.clientX, event.clientY);
    if (place) place.column.insertBefore(mark, place.before);
  });
  row.addEventListener("drop", (event) => {
    const id = dragged.peek();
    const column = mark.parentElement;
    if (!id || !column) return;
    event.preventDefault();
    const before = mark.nextElementSibling as HTMLElement | null;
    const at = [...row.children].indexOf(column);
    mark.remove();
    if (before?.dataset.panel === id) return;
    // where the window shows fewer columns than there are, places are those of the layout
    const columns = page.layout.peek().columns;
    const target = before && columns.findIndex((one) => one.some((panel) => panel.id === before.dataset.panel));
    if (before && target !== null && target >= 0) {
      const others = columns[target]!.filter((panel) => panel.id !== id);
      page.place(
        id,
        target,
        others.findIndex((panel) => panel.id === before.dataset.panel),
      );
    } else {
      const used = columns.map((one, index) => ({ one, index })).filter(({ one }) => one.length);
      const into = used[at]?.index ?? at;
      page.place(id, into, columns[into]?.length ?? 0);
    }
  });

  const focusOn = (panel: HTMLElement): void => {
    if (!panel.contains(document.activeElement)) panel.focus({ preventScroll: true });
  };
  let revealing = new AbortController();
  const inOrder = (): HTMLElement[] => [...element.querySelectorAll<HTMLElement>(".wp-panel")];
  return {
    element,
    focus(n) {
      const panel = inOrder()[n];
      panel?.focus();
      panel?.scrollIntoView({ block: "nearest" });
    },
    focusPanel(id) {
      const panel = frames.get(id)?.element;
      if (!panel) return;
      panel.scrollIntoView({ block: "nearest" });
      focusOn(panel);
    },
    reveal(id) {
      revealing.abort();
      const panel = frames.get(id)?.element;
      if (!panel) return;
      revealing = new AbortController();
      const { signal } = revealing;
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
      const growing = new ResizeObserver(() =>
        panel.scrollIntoView({ block: "nearest", behavior: still ? "instant" : "smooth" }),
      );
      growing.observe(panel.parentElement ?? panel); // what stands above it grows too
      signal.addEventListener("abort", () => growing.disconnect());
      // whoever does something else is not carried back; what it is to be made with belongs to it
      const leave = ({ target }: Event): void => {
        if (!(target instanceof Element && target.closest(".wp-form"))) revealing.abort();
      };
      for (const turn of ["wheel", "touchmove", "pointerdown", "keydown"])
        addEventListener(turn, leave, { capture: true, passive: true, signal });
      focusOn(panel);
    },
    current: () => (document.activeElement?.closest(".wp-panel") as HTMLElement | null)?.dataset.panel,
  };
}

function placeAt(row: HTMLElement, x: number, y: number): { column: HTMLElement; before: Element | null } | undefined {
  const columns = [...row.children] as HTMLElement[];
  const column = columns.find((one) => x <= one.getBoundingClientRect().right) ?? columns.at(-1);
  if (!column) return undefined;
  const panels = [...column.querySelectorAll(":scope > .wp-panel")];
  const before = panels.find((panel) => {
    const { top, bottom } = panel.getBoundingClientRect();
    return y < (top + bottom) / 2;
  });
  return { column, before: before ?? null };
}
