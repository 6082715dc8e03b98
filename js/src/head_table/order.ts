/** Which rows are shown, in which order. */
import type { Predicate } from "../core/filter/filter";
import type { Column, Table } from "./columns";

export type Direction = "ascending" | "descending";
export type SortKey = readonly [column: string, direction: Direction];

/** Rows that pass, sorted by the keys (the first counts most); what is missing stands last either way. */
export function orderOf(table: Table, keys: readonly SortKey[], passes: Predicate | undefined): Int32Array {
  let rows = Int32Array.from({ length: table.n }, (_, row) => row);
  if (passes) rows = rows.filter(passes);
  const compares = keys.flatMap(([name, direction]) => {
    const column = table.byName.get(name);
    return column ? [comparison(column, direction === "descending" ? -1 : 1)] : [];
  });
  if (!compares.length) return rows;
  return rows.sort((a, b) => {
    for (const compare of compares) {
      const result = compare(a, b);
      if (result) return result;
    }
    return a - b;
  });
}

function comparison(column: Column, sign: number): (a: number, b: number) => number {
  if (column.kind === "text") {
    const { values } = column;
    const rank = new Map(
      [...new Set(values)].sort(new Intl.Collator(undefined, { numeric: true }).compare).map((text, i) => [text, i]),
    );
    return (a, b) =>
      Number(values[a] === "") - Number(values[b] === "") || sign * (rank.get(values[a]!)! - rank.get(values[b]!)!);
  }
  const { values } = column;
  return (a, b) => {
    const [x, y] = [values[a]!, values[b]!];
    if (Number.isNaN(x) || Number.isNaN(y)) return Number(Number.isNaN(x)) - Number(Number.isNaN(y));
    return x < y ? -sign : x > y ? sign : 0;
  };
}

/** The keys after a click on a header: first direction, the other, none; `add` keeps the other keys before it. */
export function clicked(keys: readonly SortKey[], names: readonly string[], first: Direction, add: boolean): SortKey[] {
  const others = keys.filter(([name]) => !names.includes(name));
  const now = keys.find(([name]) => name === names[0])?.[1];
  const next =
    now === undefined ? first : now === first ? (first === "ascending" ? "descending" : "ascending") : undefined;
  const mine: SortKey[] = next ? names.map((name) => [name, next]) : [];
  if (!add) return mine;
  const at = keys.findIndex(([name]) => names.includes(name));
  return at < 0 ? [...others, ...mine] : [...others.slice(0, at), ...mine, ...others.slice(at)];
}
