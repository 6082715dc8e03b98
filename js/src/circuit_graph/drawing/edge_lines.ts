/** Edges as cubic curves: where they go, how they look, and how far a point is from one. */
import { cssColour, type Table } from "../../core/drawing/colour";
import { entryOf, type Scale } from "../../core/drawing/scale";
import type { Theme } from "../../core/elements/theme";

/** What an edge is beside its score. */
export type Sort = "scored" | "unscored" | "removed" | "both" | "a" | "b";

/** x and y of start, first and second handle, and end. */
export type Path = readonly [number, number, number, number, number, number, number, number];

export interface Curve {
  /** Units at both ends. */
  from: number;
  to: number;
  /** Edges in it: several where a group is at an end. */
  ranks: number[];
  score: number;
  sort: Sort;
  path: Path;
}

export interface Look {
  colour: string;
  width: number;
  dash: number[];
}

const LEVELS = 24;
const [THIN, THICK] = [0.8, 3.6];
/** Colours begin here between ground and full, so that the weakest edge that is drawn can be seen. */
const FAINTEST = { dark: 0.3, light: 0.42 };
/** And end here: both ends of the scale come near to white, or black, where thin lines no longer show their sign. */
const FULLEST = 0.82;
const COMPARED: Record<"a" | "b", [dark: string, light: string]> = {
  a: ["#e69f00", "#b35f00"],
  b: ["#00c5ff", "#1c6fa5"],
};
const DASHES: Partial<Record<Sort, number[]>> = { unscored: [2, 4], removed: [1, 3], a: [8, 4], b: [2, 3] };

/** The signed colours without those that melt into the ground, and without the outermost. */
export function edgeTable(table: Table, dark: boolean): Table {
  const faintest = FAINTEST[dark ? "dark" : "light"];
  return table.map(
    (_, at) =>
      table[
        Math.round(127.5 + Math.sign(at - 127.5) * (faintest + (FULLEST - faintest) * Math.abs(at / 127.5 - 1)) * 127.5)
      ]!,
  );
}

/** A cubic that leaves upwards and arrives from below; one that passes layers bends aside, so as not to hide them. */
export function pathBetween(x0: number, y0: number, x1: number, y1: number, rise: number, pitch: number): Path {
  const away = y0 - y1;
  const handle = Math.max(Math.abs(away) * 0.42, Math.min(24, rise * 0.6));
  const upright = Math.max(0, 1 - Math.abs(x1 - x0) / (pitch * 0.75));
  const bend = Math.abs(away) > rise * 1.2 ? upright * Math.min(pitch * 0.62, 8 + Math.abs(away) * 0.12) : 0;
  return [x0, y0, x0 + bend, y0 - handle, x1 + bend, y1 + handle, x1, y1];
}

/** Curves of one look are drawn in one stroke; `key` says which. */
export function keyOf({ score, sort }: Curve, scale: Scale): number {
  if (sort !== "scored") return -1 - ["unscored", "removed", "both", "a", "b"].indexOf(sort);
  const level = Math.round(Math.min(1, Math.abs(score) / scale.high) * LEVELS);
  return 2 * level + (score < 0 ? 1 : 0);
}

export function lookOf(curve: Curve, scale: Scale, table: Table, theme: Theme): Look {
  const { sort, score } = curve;
  if (sort === "scored") {
    const size = Math.round(Math.min(1, Math.abs(score) / scale.high) * LEVELS) / LEVELS;
    const colour = cssColour(
      table[entryOf(Math.sign(score || 1) * Math.max(size * scale.high, scale.high / 999), scale)]!,
    );
    return { colour, width: THIN + (THICK - THIN) * size, dash: [] };
  }
  const colour =
    sort === "a" || sort === "b" ? COMPARED[sort][theme.dark ? 0 : 1] : sort === "unscored" ? theme.ink : theme.dim;
  return {
    colour,
    width: sort === "removed" || sort === "unscored" ? 1 : sort === "both" ? 1.2 : 1.8,
    dash: DASHES[sort] ?? [],
  };
}

const point = (path: Path, axis: 0 | 1, t: number): number => {
  const s = 1 - t;
  return (
    s * s * s * path[axis]! +
    3 * s * s * t * path[2 + axis]! +
    3 * s * t * t * path[4 + axis]! +
    t * t * t * path[6 + axis]!
  );
};

const STEPS = 24;

/** Distance of (`x`, `y`) from the curve; Infinity where it is further than `most`. */
export function distance(path: Path, x: number, y: number, most: number): number {
  for (const [axis, at] of [
    [0, x],
    [1, y],
  ] as const) {
    const ends = [path[axis]!, path[2 + axis]!, path[4 + axis]!, path[6 + axis]!];
    if (at < Math.min(...ends) - most || at > Math.max(...ends) + most) return Infinity;
  }
  let least = Infinity;
  let [px, py] = [path[0], path[1]];
  for (let step = 1; step <= STEPS; step++) {
    const [qx, qy] = [point(path, 0, step / STEPS), point(path, 1, step / STEPS)];
    const [dx, dy] = [qx - px, qy - py];
    const along = Math.max(0, Math.min(1, ((x - px) * dx + (y - py) * dy) / (dx * dx + dy * dy || 1)));
    least = Math.min(least, Math.hypot(x - px - along * dx, y - py - along * dy));
    [px, py] = [qx, qy];
  }
  return least <= most ? least : Infinity;
}
