/** What a bundle exports: a view that ends, with all that listens for it, when its host takes it away. */
import type { AnyModel } from "./bridge";

export const widget = (build: (model: AnyModel, el: HTMLElement, until: AbortSignal) => void) => ({
  render({ model, el }: { model: AnyModel; el: HTMLElement }): () => void {
    const life = new AbortController();
    build(model, el, life.signal);
    return () => life.abort();
  },
});
