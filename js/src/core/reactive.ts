/** Signals, with clean-up by AbortSignal. */
import { effect, type ReadonlySignal, type Signal, signal } from "@preact/signals-core";
import type { ViewTraits } from "../generated/traits";
import type { Model } from "./widget_model";

export { batch, computed, type ReadonlySignal, type Signal, signal, untracked } from "@preact/signals-core";

/** Run `action` now and whenever a signal that it read has changed, until `until` aborts. */
export function watch(until: AbortSignal, action: () => void): void {
  if (until.aborted) return;
  const dispose = effect(action);
  until.addEventListener("abort", dispose);
}

/** As `watch`, but changes are gathered and acted on once, in the next frame: for drawing. */
export function draw(until: AbortSignal, action: () => void): void {
  let dispose = (): void => {};
  let frame = 0;
  const run = (): void => {
    frame = 0;
    dispose();
    let first = true;
    dispose = effect(() => {
      if (first) action();
      else frame ||= requestAnimationFrame(run);
      first = false;
    });
  };
  if (until.aborted) return;
  run();
  until.addEventListener("abort", () => {
    cancelAnimationFrame(frame);
    dispose();
  });
}

/** A signal that reads one thing and writes another: a scale that follows traits, and what is dragged ahead of them. */
export function settable<T>(read: ReadonlySignal<T>, write: (next: T) => void): Signal<T> {
  return {
    get value() {
      return read.value;
    },
    set value(next) {
      write(next);
    },
    peek: () => read.peek(),
  } as Signal<T>;
}

/** A trait of the model as a signal that follows it. */
export function trait<T extends ViewTraits, N extends keyof T & string>(
  model: Model<T>,
  name: N,
  until: AbortSignal,
): ReadonlySignal<T[N]> {
  const value = signal(model.get(name));
  const follow = (): void => void (value.value = model.get(name));
  model.on(`change:${name}`, follow);
  until.addEventListener("abort", () => model.off(`change:${name}`, follow));
  return value;
}

/** The element's inner size as a signal, [0, 0] until it is laid out. */
export function sizeOf(element: Element, until: AbortSignal): ReadonlySignal<readonly [number, number]> {
  const size = signal<readonly [number, number]>([0, 0]);
  const observer = new ResizeObserver(([entry]) => {
    const { width, height } = entry!.contentRect;
    const [w, h] = size.peek();
    if (Math.abs(w - width) >= 1 || Math.abs(h - height) >= 1) size.value = [width, height];
  });
  observer.observe(element);
  until.addEventListener("abort", () => observer.disconnect());
  return size;
}
