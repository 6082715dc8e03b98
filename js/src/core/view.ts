/** What a bundle exports: a view that ends, with all that listens for it, when its host takes it away. */
import type { ViewTraits } from "../generated/traits";
import { showConnection } from "./elements/connection_line";
import { addDefinitions, type Definition } from "./elements/definitions";
import { hiddenStill } from "./elements/hidden_still";
import { addPromptLine } from "./elements/prompt_line";
import { createRoot, type Theme } from "./elements/theme";
import { createTooltip, type Tooltip } from "./elements/tooltip";
import { showUnsteered } from "./elements/unsteered";
import { isWidgetManager, kernelLost } from "./kernel_lost";
import { keepKeys } from "./keyboard/host_shortcuts";
import { computed, type ReadonlySignal, trait } from "./reactive";
import { Requests } from "./requests";
import { type Selection, selectionOf } from "./selection";
import type { Model } from "./widget_model";
import { SAVED_PICTURE, withoutKernel } from "./without_kernel";

/** What every view begins with. */
export interface View<T extends ViewTraits> {
  model: Model<T>;
  root: HTMLElement;
  theme: ReadonlySignal<Theme>;
  /** See `Root.onPaper`. */
  onPaper<T>(draw: () => T): T;
  title: ReadonlySignal<string>;
  tooltip: Tooltip;
  selection: Selection;
  requests: Requests;
  /** Aborted when the view ends. */
  until: AbortSignal;
}

/** `css` is the view's own sheet, `build` fills its root; for another prompt it is filled anew. */
export const widget = <T extends ViewTraits>(css: string, build: (view: View<T>) => void) => ({
  render({ model: given, el }: { model: Model<T>; el: HTMLElement }): () => void {
    const life = new AbortController();
    const gone = kernelLost(given, life.signal);
    const saved = gone.peek();
    const model: Model<T> = saved ? withoutKernel(given) : given;
    const lost = computed(() => !saved && gone.value);
    const { root, theme, onPaper } = createRoot(el, model, css, life.signal);
    keepKeys(root, life.signal);
    root.append(hiddenStill(given.get("selection_id") ?? ""));
    const prompt = addPromptLine(root, model, lost, life.signal);
    const lasting = new Set(root.children);

    const fill = (until: AbortSignal): void => {
      const requests = new Requests(model, until, lost);
      build({
        model,
        root,
        theme,
        onPaper,
        title: trait(model, "title", until),
        tooltip: createTooltip(root),
        selection: selectionOf(model, until),
        requests,
        until,
      });
      prompt?.addKeys();
      addDefinitions(root, (model.get("definitions") ?? []) as unknown as Definition[]);
      showUnsteered(root, model, until);
      showConnection(root, { saved: saved ? SAVED_PICTURE : "", lost, silent: requests.silent }, until);
      for (const turn of ["pointerdown", "keydown"])
        root.addEventListener(turn, () => requests.ping(), { capture: true, signal: until });
    };
    let shown = new AbortController();
    // All of it, and at once: nothing of the prompt before may stand beside anything of this one.
    prompt?.onOther(() => {
      shown.abort();
      for (const child of [...root.children]) if (!lasting.has(child)) child.remove();
      root.className = "sw";
      shown = new AbortController();
      fill(shown.signal);
    });
    fill(shown.signal);
    // marimo drops what is sent to a view before it is drawn; ipywidgets keeps it.
    if (!saved && !isWidgetManager(given)) given.send({ v: 1, kind: "mounted" });
    return () => {
      shown.abort();
      life.abort();
    };
  },
});
