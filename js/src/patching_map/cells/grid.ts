/** What a map shows of the cells: rows, the top one first, and columns; each crossing is one cell, or none. */
import type { Head } from "../../core/selection";
import { componentText, type Space } from "./cell_names";
import { type Effects, shownOf } from "./cells";

export interface Line {
  text: string;
  /** In words, for tooltips. */
  name: string;
  position?: number;
}

export interface Grid {
  rows: Line[];
  columns: Line[];
  /** Flat cell of [row, column], -1 where there is none. */
  at: Int32Array;
  /** Columns are tokens, roles, heads, or parts of a layer. */
  across: "positions" | "heads";
  /** The first column after the heads; a gap stands before it. */
  gapBefore: number;
  /** Title of the rows. */
  down: string;
}

/** [layer, head] or [layer, position] or [layer], as it is. */
export function flatGrid(space: Space): Grid {
  const positions = space.positions.length;
  return make(layerRows(space), positions ? positionColumns(space) : headColumns(space), (row, column) =>
    space.cellAt(space.layers - 1 - row, column, column),
  );
}

/** Each head at one position, or where its effect is largest. */
export function headGrid(space: Space, effects: Effects, position: number | undefined): Grid {
  const count = space.positions.length;
  return make(layerRows(space), headColumns(space), (row, head) => {
    const first = space.cellAt(space.layers - 1 - row, head, 0);
    return position === undefined ? strongestOf(effects, first, count, 1) : first + position;
  });
}

/** The strongest head of each layer at each position. */
export function positionGrid(space: Space, effects: Effects): Grid {
  const count = space.positions.length;
  return make(layerRows(space), positionColumns(space), (row, position) =>
    strongestOf(effects, space.cellAt(space.layers - 1 - row, 0, position), space.headsPerLayer, count),
  );
}

/** One row a head, the deepest on top. */
export function selectedGrid(space: Space, heads: Head[]): Grid {
  const order = [...heads].sort((one, other) => other[0] - one[0] || other[1] - one[1]);
  const rows = order.map((head) => ({ text: head.join("."), name: `head ${head.join(".")}` }));
  return {
    ...make(rows, positionColumns(space), (row, position) => space.cellAt(...order[row]!, position)),
    down: "head",
  };
}

/** One row: a head at each position or, without one, the strongest head of all layers. */
export function positionStrip(space: Space, effects: Effects, head: Head | undefined): Grid {
  const positions = space.positions.length;
  const row = { text: head ? head.join(".") : "all", name: head ? `head ${head.join(".")}` : "the strongest head" };
  return {
    ...make([row], positionColumns(space), (_, position) =>
      head
        ? space.cellAt(...head, position)
        : strongestOf(effects, position, space.layers * space.headsPerLayer, positions),
    ),
    down: "",
  };
}

/** An attribution: heads, then the other parts of each layer. */
export function componentGrid(space: Space): Grid {
  const names = [
    ...new Set(space.components.filter(([, layer, head]) => layer >= 0 && head < 0).map(([name]) => name)),
  ];
  const columns = [
    ...headColumns(space),
    ...names.map((name) => ({ text: SHORT.get(name) ?? componentText(name), name: componentText(name) })),
  ];
  const cells = new Map(
    space.components.map(([name, layer, head], cell) => [`${layer} ${head < 0 ? name : head}`, cell]),
  );
  const grid = make(layerRows(space), columns, (row, column) => {
    const key = column < space.headsPerLayer ? column : names[column - space.headsPerLayer];
    return cells.get(`${space.layers - 1 - row} ${key}`) ?? -1;
  });
  return { ...grid, gapBefore: space.headsPerLayer };
}

const SHORT = new Map([
  ["attention_bias", "bias"],
  ["mlp", "MLP"],
]);

function make(rows: Line[], columns: Line[], cellAt: (row: number, column: number) => number): Grid {
  const at = new Int32Array(rows.length * columns.length);
  for (let row = 0, i = 0; row < rows.length; row++)
    for (let column = 0; column < columns.length; column++) at[i++] = cellAt(row, column);
  return {
    rows,
    columns,
    at,
    across: columns[0]?.position === undefined ? "heads" : "positions",
    gapBefore: columns.length,
    down: "layer",
  };
}

/** Of `count` cells from `first` on, `step` apart, the one with the largest magnitude. */
function strongestOf(effects: Effects, first: number, count: number, step: number): number {
  let [best, size] = [first, -1];
  for (let i = 0, cell = first; i < count; i++, cell += step) {
    const here = Math.abs(shownOf(effects, cell));
    if (here > size) [best, size] = [cell, here];
  }
  return best;
}

const layerRows = (space: Space): Line[] =>
  Array.from({ length: space.layers }, (_, row) => {
    const layer = space.layers - 1 - row;
    return {
      text: space.layerText(layer),
      name: space.isFinalNorm(layer) ? "before the final norm" : `layer ${layer}`,
    };
  });

const headColumns = (space: Space): Line[] =>
  space.headsPerLayer
    ? Array.from({ length: space.headsPerLayer }, (_, head) => ({ text: String(head), name: `head ${head}` }))
    : space.components.length
      ? []
      : [{ text: "all", name: "all positions" }];

const positionColumns = (space: Space): Line[] =>
  space.positions.map((text, position) => ({ text, name: space.positionText(position), position }));

export interface Sum {
  sum: number;
  /** Of how many exact cells. */
  n: number;
  of: number;
}

/** Sums of the exact cells of each row and each column. */
export function sumsOf(grid: Grid, { values }: Effects): { rows: Sum[]; columns: Sum[] } {
  const none = (): Sum => ({ sum: 0, n: 0, of: 0 });
  const [rows, columns] = [grid.rows.map(none), grid.columns.map(none)];
  grid.at.forEach((cell, i) => {
    if (cell < 0) return;
    const value = values[cell]!;
    for (const total of [rows[Math.floor(i / columns.length)]!, columns[i % columns.length]!]) {
      total.of++;
      if (!Number.isFinite(value)) continue;
      total.n++;
      total.sum += value;
    }
  });
  return { rows, columns };
}
