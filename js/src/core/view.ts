/** What a bundle exports: a view that ends, with all that listens for it, when its host takes it away. */
import type { ViewTraits } from "../generated/traits";
import { keepKeys } from "./elements/host_keys";
import { createRoot, type Theme } from "./elements/theme";
import { createTooltip, type Tooltip } from "./elements/tooltip";
import { type ReadonlySignal, trait } from "./reactive";
import { Requests } from "./requests";
import { type Selection, selectionOf } from "./selection";
import type { Model } from "./widget_model";

/** What every view begins with. */
export interface View<T extends ViewTraits> {
  model: Model<T>;
  root: HTMLElement;
  theme: ReadonlySignal<Theme>;
  title: ReadonlySignal<string>;
  tooltip: Tooltip;
  selection: Selection;
  requests: Requests;
  /** Aborted when the view ends. */
  until: AbortSignal;
}

/** `css` is the view's own sheet, `build` fills its root. */
export const widget = <T extends ViewTraits>(css: string, build: (view: View<T>) => void) => ({
  render({ model, el }: { model: Model<T>; el: HTMLElement }): () => void {
    const life = new AbortController();
    const until = life.signal;
    const { root, theme } = createRoot(el, model, css, until);
    keepKeys(root);
    build({
      model,
      root,
      theme,
      title: trait(model, "title", until),
      tooltip: createTooltip(root),
      selection: selectionOf(model, until),
      requests: new Requests(model, until),
      until,
    });
    return () => life.abort();
  },
});
