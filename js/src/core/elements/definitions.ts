/** What the words of a view mean, with their sources: below the keys in the sheet that `?` opens. */
import { h } from "./dom";

export type Definition = readonly [term: string, meaning: string, formula: string, source: string];

/** Add definitions to the sheet of `root`, which its toolbar has made. */
export function addDefinitions(root: HTMLElement, definitions: readonly Definition[]): void {
  if (!definitions.length) return;
  const list = h("dl", { class: "sw-definitions" });
  for (const [term, meaning, formula, source] of definitions)
    list.append(
      h("dt", {}, term),
      h("dd", {}, meaning, ...(formula ? [h("code", {}, formula)] : []), ...(source ? [h("cite", {}, source)] : [])),
    );
  root.querySelector(":scope > .sw-keys")?.append(h("b", {}, "What the words mean"), list);
}
