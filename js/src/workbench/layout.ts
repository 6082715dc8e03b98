/** Where panels stand: plain data, and what makes another layout of one. */

export interface PanelSpec {
  /** A name of its own, which it keeps when it is closed and comes back. */
  readonly id: string;
  readonly kind: string;
  /** Of which prompt: "a" or "b". */
  readonly side: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** Over all columns, above them. */
  readonly wide?: boolean;
}

export interface Layout {
  readonly columns: readonly (readonly PanelSpec[])[];
}

const MOST_COLUMNS = 4;
/** Pixels that a column has at least, where the number of columns follows the window. */
const COLUMN = 560;
/** Pixels of a column in which a view has ample room: more are no gain, and a new column is. */
const AMPLE = 900;

export const EMPTY: Layout = { columns: [[], []] };

export const newId = (): string => {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return [...bytes].map((byte) => (byte % 36).toString(36)).join("");
};

export const panelsOf = (layout: Layout): PanelSpec[] => layout.columns.flat();

export const find = (layout: Layout, id: string): PanelSpec | undefined =>
  panelsOf(layout).find((panel) => panel.id === id);

/** As many columns as a window has ample room for, empty ones among them: where new panels go. */
export function widened(layout: Layout, width: number): Layout {
  const n = Math.max(2, Math.min(MOST_COLUMNS, Math.floor(width / AMPLE)));
  const more = Array.from({ length: Math.max(0, n - layout.columns.length) }, () => []);
  return { columns: [...layout.columns, ...more] };
}

/** A new panel goes to the end of the shortest column. */
export function added(layout: Layout, panel: PanelSpec, column?: number): Layout {
  const lengths = layout.columns.map((one) => one.length);
  const at = column ?? lengths.indexOf(Math.min(...lengths));
  return placed(layout, panel, at, lengths[at] ?? 0);
}

export const without = (layout: Layout, id: string): Layout => ({
  columns: layout.columns.map((column) => column.filter((panel) => panel.id !== id)),
});

export const changed = (layout: Layout, id: string, change: Partial<PanelSpec>): Layout => ({
  columns: layout.columns.map((column) => column.map((panel) => (panel.id === id ? { ...panel, ...change } : panel))),
});

/** Put a panel, new or there already, before the panel that is at a place of a column. */
export function placed(layout: Layout, panel: PanelSpec, column: number, at: number): Layout {
  const columns = without(layout, panel.id).columns.map((one) => [...one]);
  while (columns.length <= column && columns.length < MOST_COLUMNS) columns.push([]);
  const into = columns[Math.max(0, Math.min(column, columns.length - 1))]!;
  into.splice(Math.max(0, Math.min(at, into.length)), 0, panel);
  return { columns };
}

/** Move a panel by the arrow keys: within its column, or to the same height of the next. */
export function moved(layout: Layout, id: string, across: number, down: number): Layout {
  const column = layout.columns.findIndex((one) => one.some((panel) => panel.id === id));
  if (column < 0) return layout;
  const at = layout.columns[column]!.findIndex((panel) => panel.id === id);
  const panel = layout.columns[column]![at]!;
  const [to, place] = [column + across, at + down];
  if (to < 0 || to >= MOST_COLUMNS || place < 0 || (!across && place >= layout.columns[column]!.length)) return layout;
  return placed(layout, panel, to, place);
}

/** The columns that a window of so many pixels shows; what stands further right goes to the end of the last one. */
export function visibleColumns(layout: Layout, width: number, wanted: number): PanelSpec[][] {
  const n = wanted || Math.max(1, Math.min(MOST_COLUMNS, Math.floor(width / COLUMN)));
  const narrow = layout.columns.map((column) => column.filter((panel) => !panel.wide));
  const used = narrow.filter((column) => column.length > 0);
  if (n === 1) return [used.flat()];
  const shown = used.slice(0, n).map((column) => [...column]);
  for (const column of used.slice(n)) shown.at(-1)!.push(...column);
  return shown;
}

export const widePanels = (layout: Layout): PanelSpec[] => panelsOf(layout).filter((panel) => panel.wide);

/** What a link and the server keep. */
export interface Saved {
  v: 1;
  layout: Layout;
  prompts: Record<string, string>;
  heads: [number, number][];
  tokens: number[];
}

export const encoded = (saved: Saved): string => {
  const bytes = new TextEncoder().encode(JSON.stringify(saved));
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
};

/** Undefined for what is no layout: links come from anybody. */
export function decoded(text: string): Saved | undefined {
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
    return parsed(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

export function parsed(text: string): Saved | undefined {
  try {
    const found = JSON.parse(text);
    return found?.v === 1 ? checked(found) : undefined;
  } catch {
    return undefined;
  }
}

function checked(found: any): Saved | undefined {
  const known = new Set<string>();
  const columns = (found.layout.columns as any[]).slice(0, MOST_COLUMNS).map((column: any[]) =>
    column
      .filter((panel) => typeof panel?.kind === "string" && (panel.side === "a" || panel.side === "b"))
      .map((panel): PanelSpec => {
        const id = /^[a-z0-9]{4,32}$/.test(panel.id) && !known.has(panel.id) ? panel.id : newId();
        known.add(id);
        const options = panel.options && typeof panel.options === "object" ? panel.options : {};
        return { id, kind: panel.kind, side: panel.side, options, ...(panel.wide ? { wide: true } : {}) };
      }),
  );
  const prompts: Record<string, string> = {};
  for (const side of ["a", "b"])
    if (typeof found.prompts?.[side] === "string") prompts[side] = found.prompts[side].slice(0, 20_000);
  const numbers = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0;
  const heads = (Array.isArray(found.heads) ? found.heads : []).filter(
    (head: unknown) => Array.isArray(head) && head.length === 2 && head.every(numbers),
  );
  const tokens = (Array.isArray(found.tokens) ? found.tokens : []).filter(numbers);
  while (columns.length < 2) columns.push([]);
  return { v: 1, layout: { columns }, prompts, heads, tokens };
}
