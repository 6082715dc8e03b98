/** The still that a notebook is saved with beside a view; Python's half is widgets/core/still.py. */
import { h } from "./dom";

/** A sheet that hides the stills of all views of a selection: they come from one kernel, and live together. */
export const hiddenStill = (selectionId: string): HTMLStyleElement => {
  const still = `.sw-still[data-of="${CSS.escape(selectionId)}"]`;
  return h("style", {}, `.jp-OutputArea-child:has(${still}), ${still} { display: none !important }`);
};
