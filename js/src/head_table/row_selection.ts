/** Rows chosen by click or key, as heads of the shared selection: one, one more, or a range. */
import { type ReadonlySignal, signal } from "../core/reactive";
import type { Head, Selection } from "../core/selection";
import { headOf, type Table } from "./columns";

export type Extend = "replace" | "toggle" | "range";

export interface Choice {
  /** Changes whenever the selection does. */
  readonly heads: ReadonlySignal<Head[]>;
  has(row: number): boolean;
  pick(position: number, extend: Extend): void;
  clear(): void;
}

const idOf = ([layer, head]: Head): string => `${layer}.${head}`;

/** `onElsewhere` hears of selections that were made in another view or in Python. */
export function createChoice(
  table: Table,
  rows: ReadonlySignal<Int32Array>,
  selection: Selection,
  onElsewhere: (heads: Head[]) => void,
  until: AbortSignal,
): Choice {
  const heads = signal<Head[]>(selection.heads);
  let ids = new Set(heads.peek().map(idOf));
  let anchor = -1;
  let own = false;
  selection.subscribe(() => {
    ids = new Set(selection.heads.map(idOf));
    heads.value = selection.heads;
    if (!own) onElsewhere(selection.heads);
  }, until);
  const set = (next: Head[]): void => {
    own = true;
    selection.setHeads(next);
    own = false;
  };
  return {
    heads,
    has: (row) => ids.has(idOf(headOf(table, row))),
    pick(position, extend) {
      const row = rows.peek()[position];
      if (row === undefined) return;
      const head = headOf(table, row);
      if (extend === "range") {
        const from = Math.max(0, rows.peek().indexOf(anchor));
        const [first, last] = [Math.min(from, position), Math.max(from, position)];
        set([...rows.peek().subarray(first, last + 1)].map((one) => headOf(table, one)));
        return;
      }
      anchor = row;
      if (extend === "replace") set([head]);
      else if (ids.has(idOf(head))) set(selection.heads.filter((one) => idOf(one) !== idOf(head)));
      else set([...selection.heads, head]);
    },
    clear: () => set([]),
  };
}
