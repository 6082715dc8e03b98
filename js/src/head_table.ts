/** HeadTable: one row a head, its statistics as numbers with bars, sorted, filtered and selected. */

import { magnitudeTable } from "./core/drawing/colour";
import { h } from "./core/elements/dom";
import { createHeadNote, withNote } from "./core/elements/head_note";
import { createInterventionBar } from "./core/elements/intervention_bar";
import { promptRoom, resizable } from "./core/elements/resize";
import { createToolbar } from "./core/elements/toolbar";
import { saverOf } from "./core/export/save_menu";
import { createFilterBox } from "./core/filter/filter_box";
import { count, counted } from "./core/format";
import type { Key } from "./core/keyboard/shortcut_list";
import { noteOn } from "./core/note_text";
import { computed, type ReadonlySignal, sizeOf, trait, untracked, watch } from "./core/reactive";
import { withoutHead } from "./core/selection";
import { type View, widget } from "./core/view";
import { type Model, save } from "./core/widget_model";
import type { HeadTableTraits } from "./generated/traits";
import { headName, headOf, readTable, type Table } from "./head_table/columns";
import { csv, pythonCode } from "./head_table/export";
import { figureOf } from "./head_table/figure";
import { createGrid, type Grid } from "./head_table/grid/grid";
import { firstDirection, namesAt } from "./head_table/grid/header";
import css from "./head_table/head_table.css";
import { HEADER, type Layout, type Measure, ROW } from "./head_table/layout";
import { clicked, orderOf, type SortKey } from "./head_table/order";
import { createReadout } from "./head_table/readout";
import { type Choice, createChoice } from "./head_table/row_selection";

const KEYS: Key[] = [
  ["↑ ↓ ← →", "move; above the first row are the column names"],
  ["Home, End, Page ↑ ↓", "first and last row, a page up and down"],
  ["Enter", "select the head; on a column name: sort"],
  ["Space, Ctrl+click", "add the head or take it away"],
  ["Shift+↑ ↓, Shift+click", "select a range; on a column name: sort further"],
  ["Escape", "clear the selection; in the filter: clear it"],
];
const TALLEST = 520;
/** Toolbar, filter, the line below the rows, the edge. */
const AROUND = 112;
const BAR = 36;
/** Of the filter, where it and the count stand side by side. */
const LINE = 24;

/** What the view is made of. */
interface Parts {
  table: Table;
  filter: ReadonlySignal<string>;
  keys: ReadonlySignal<SortKey[]>;
  rows: ReadonlySignal<Int32Array>;
  choice: Choice;
  grid: Grid;
  measure: Measure;
}

function build(view: View<HeadTableTraits>): void {
  const { model, root, theme, title, selection, until } = view;
  root.classList.add("sw-ht");
  const table = readTable(model);
  const filter = trait(model, "filter", until);
  const keys = trait(model, "sort", until) as ReadonlySignal<SortKey[]>;
  const filters = createFilterBox(table, filter, (text) => keep(model, { filter: text }), until);
  const rows = computed(() => orderOf(table, keys.value, filters.passes.value));
  const choice = createChoice(table, rows, selection, (heads) => void grid.reveal(heads), until);
  const colours = computed(() => magnitudeTable(theme.value.groundRgb, theme.value.dark));
  const measure = measureIn(root);
  const announcement = h("div", { class: "sw-hidden", role: "status", "aria-live": "polite" });
  const readout = createReadout(table, view.tooltip, (head) => noteOn(selection.notes, head));
  const grid = createGrid(
    {
      table,
      title,
      rows,
      keys,
      choice,
      look: { theme: () => theme.value, colours: () => colours.value },
      measure,
      onClear: filters.clear,
      onSort(layout: Layout, at: number, add: boolean) {
        keep(model, { sort: clicked(keys.peek(), namesAt(layout, at), firstDirection(layout, at), add) });
        announcement.textContent = orderText(keys.peek());
      },
      onPoint: (position, at, event) =>
        readout.show(rows.peek()[position], grid.layout.peek().placed[at - 1]?.column, event),
    },
    until,
  );
  watch(until, () => {
    const text = countText(table, rows.value, choice.heads.value.length, choice.has);
    filters.say(text);
    announcement.textContent = text;
  });

  addToolbar(view, { table, filter, keys, rows, choice, grid, measure });
  const message = h("div", { class: "sw-message" }, model.get("message") ?? "");
  message.hidden = !message.textContent;
  const target = computed(() => {
    const [layer, index] = choice.heads.value.at(-1) ?? [];
    return layer === undefined ? undefined : { site: "head" as const, layer, index, name: `head ${layer}.${index}` };
  });
  const bar = createInterventionBar({ model, root, requests: view.requests, target }, until);
  const head = computed(() => choice.heads.value.at(-1));
  const note = createHeadNote({ model, root, selection, requests: view.requests, head }, until);
  const below = withNote(bar, note);
  root.append(filters.element, message, grid.element, below, readout.element, announcement);
  followLines(view, Math.min(TALLEST, AROUND + HEADER + table.n * ROW), filters.element, below, bar);
  grid.reveal(choice.heads.peek());
}

/** Lines that wrap, and those that come with a selection, take nothing from the rows: the view is as much higher. */
function followLines(
  { root, until }: View<HeadTableTraits>,
  natural: number,
  filters: HTMLElement,
  below: HTMLElement,
  bar: HTMLElement,
): void {
  const [above, under] = [sizeOf(filters, until), sizeOf(below, until)];
  let chosen = false;
  const height = (): number =>
    natural +
    promptRoom(root) +
    Math.max(0, above.value[1] - LINE) +
    Math.max(bar.hidden ? 0 : BAR, Math.ceil(under.value[1]));
  const set = resizable(root, untracked(height), () => void (chosen = true));
  watch(until, () => {
    const now = height();
    if (!chosen) set(now);
  });
}

/** Write a trait where this changes it. */
function keep(
  model: Model<HeadTableTraits>,
  traits: Pick<HeadTableTraits, "filter"> | Pick<HeadTableTraits, "sort">,
): void {
  const changed = Object.entries(traits).some(
    ([name, value]) => JSON.stringify(model.get(name as keyof HeadTableTraits)) !== JSON.stringify(value),
  );
  if (changed) save(model, traits);
}

function addToolbar(view: View<HeadTableTraits>, parts: Parts): void {
  const { root, theme, title, selection, until } = view;
  const { table, filter, keys, rows, choice, grid, measure } = parts;
  const saver = saverOf(
    view,
    () => figureOf(table, rows.peek(), grid.layout.peek(), theme.peek(), title.peek(), measure, choice.has),
    { ratio: 2, notes: true },
  );
  createToolbar(
    root,
    {
      title,
      chips: computed(() =>
        choice.heads.value.map((head) => ({
          text: headName(head),
          open: () => void grid.reveal([head]),
          clear: () => selection.setHeads(withoutHead(selection.heads, head)),
        })),
      ),
      code: () =>
        pythonCode(
          filter.peek(),
          keys.peek(),
          choice.heads.peek(),
          table.evidence.length > 0,
          view.model.get("made_by"),
          view.model.get("arguments"),
          view.model.get("head_notes"),
        ),
      saves: {
        "CSV, rows shown": () => saver.file("csv", csv(table, rows.peek(), selection.notes)),
        "CSV, all rows": () => saver.file("csv", csv(table, Array(table.n).keys(), selection.notes)),
        SVG: saver.svg,
        PNG: saver.png,
        HTML: saver.html,
      },
      keys: KEYS,
    },
    until,
  );
}

function measureIn(root: HTMLElement): Measure {
  const pen = document.createElement("canvas").getContext("2d")!;
  let known = false; // JupyterLab renders before the root is in its page; it has no font until then
  return (text) => {
    if (!known && root.isConnected) {
      pen.font = `12px ${getComputedStyle(root).fontFamily}`;
      known = true;
    }
    return pen.measureText(text).width;
  };
}

function orderText(keys: readonly SortKey[]): string {
  const said = keys.map(([name, direction]) => `${name.replaceAll("_", " ")} ${direction}`);
  return said.length ? `Sorted by ${said.join(", ")}.` : "In the original order.";
}

function countText(table: Table, rows: Int32Array, selected: number, has: (row: number) => boolean): string {
  // Of labels a head may have several rows.
  const heads = new Set(Array.from({ length: table.n }, (_, row) => headName(headOf(table, row)))).size;
  const all = heads === table.n ? counted(heads, "head") : counted(table.n, "row");
  const of = heads === table.n ? "" : ` of ${counted(heads, "head")}`;
  const shown = rows.length === table.n ? `${all}${of}` : `${count(rows.length)} of ${all}`;
  if (!selected) return shown;
  const visible = rows.reduce((n, row) => n + Number(has(row)), 0);
  return `${shown}, ${selected.toLocaleString("en")} selected${visible ? "" : " (not among the rows shown)"}`;
}

export default widget(css, build);
