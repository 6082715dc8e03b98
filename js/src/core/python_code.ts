/** Python lines that make a view again. */

/** `View(a, b=1)`; arguments that are false, 0 or empty are left out. */
export const pythonCall = (name: string, args: readonly (string | number | boolean | undefined)[]): string =>
  `${name}(${args.filter(Boolean).join(", ")})`;

/** The import of a view, then its call. */
export const viewCode = (name: string, args: readonly (string | number | boolean | undefined)[]): string =>
  `from scope_widgets.widgets import ${name}\n\n${pythonCall(name, args)}\n`;

/** JSON of texts, numbers, lists and dicts is Python too. */
export const python = (value: unknown): string => JSON.stringify(value).replaceAll(",", ", ").replace(/":/g, '": ');

/** `selected_heads=[(5, 1)]`, "" for none. */
export const selectedHeads = (heads: readonly (readonly number[])[]): string =>
  heads.length ? `selected_heads=[${heads.map((head) => `(${head.join(", ")})`).join(", ")}]` : "";

/** `selected_tokens=[9]`, "" for none. */
export const selectedTokens = (tokens: readonly number[]): string =>
  tokens.length ? `selected_tokens=[${tokens.join(", ")}]` : "";
