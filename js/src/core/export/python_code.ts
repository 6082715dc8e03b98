/** Python lines that make a view again. */
import type { Note } from "../selection";

/** `View(a, b=1)`; arguments that are false, 0 or empty are left out. */
const pythonCall = (name: string, args: readonly (string | number | boolean | undefined)[]): string =>
  `${name}(${args.filter(Boolean).join(", ")})`;

/** The lines that make what a view shows, then the view's call; with `notes`, on a selection that has them. */
export const viewCode = (
  madeBy: string,
  name: string,
  args: readonly (string | number | boolean | undefined)[],
  notes: readonly Note[] = [],
  shown = (call: string): string => `${call}\n`,
): string =>
  notes.length
    ? `${withNotes(madeBy, notes)}${shown(pythonCall(name, [...args, "selection=selection"]))}`
    : `${madeBy}${shown(pythonCall(name, args))}`;

const IMPORT = /^from scope_widgets\.widgets import [\w, ]+$/m;

function withNotes(madeBy: string, notes: readonly Note[]): string {
  const lines = notes.map(([layer, head, text]) => `    (${layer}, ${head}): ${python(text)},\n`);
  const imported = IMPORT.test(madeBy)
    ? madeBy.replace(IMPORT, (line) => `${line}, Selection`)
    : `from scope_widgets.widgets import Selection\n${madeBy}`;
  return `${imported}selection = Selection(notes={\n${lines.join("")}})\n`;
}

/** Texts, numbers, lists and objects as Python writes them. */
export function python(value: unknown): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map((item) => python(item)).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  const entries = value instanceof Map ? [...value] : Object.entries(value as object);
  const items = entries.map(([key, item]) => `${JSON.stringify(key)}: ${python(item)}`);
  return `{${items.join(", ")}}`;
}

/** `selected_heads=[(5, 1)]`, "" for none. */
export const selectedHeads = (heads: readonly (readonly number[])[]): string =>
  heads.length ? `selected_heads=[${heads.map((head) => `(${head.join(", ")})`).join(", ")}]` : "";

/** `selected_tokens=[9]`, "" for none. */
export const selectedTokens = (tokens: readonly number[]): string =>
  tokens.length ? `selected_tokens=[${tokens.join(", ")}]` : "";
