/** What the grid is given, and what its pointer and keys act on. */
import type { VirtualRows } from "../../core/elements/virtual_rows";
import type { ReadonlySignal } from "../../core/reactive";
import type { Table } from "../columns";
import type { Layout, Measure } from "../layout";
import type { SortKey } from "../order";
import type { Choice } from "../row_selection";
import type { ActiveCell } from "./active_cell";
import type { Look, RowElement } from "./cells";

export interface GridOptions {
  table: Table;
  title: ReadonlySignal<string>;
  rows: ReadonlySignal<Int32Array>;
  keys: ReadonlySignal<readonly SortKey[]>;
  choice: Choice;
  look: Look;
  measure: Measure;
  onClear(): void;
  onSort(layout: Layout, at: number, add: boolean): void;
  /** The cell under the pointer or the keyboard; a position of -1 is none. */
  onPoint(position: number, at: number, event?: PointerEvent): void;
}

/** What the pointer and the keys act on. */
export interface GridParts {
  options: GridOptions;
  element: HTMLElement;
  body: HTMLElement;
  layout: ReadonlySignal<Layout>;
  list: VirtualRows<RowElement>;
  active: ActiveCell;
  /** Make a cell the active one, or the nearest that there is. */
  go(position: number, at: number): void;
  sort(at: number, add: boolean): void;
}
