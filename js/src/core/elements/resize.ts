/** The lower edge of a view: drag it, or move it with the arrow keys. */

import type { ViewTraits } from "../../generated/traits";
import { watch } from "../reactive";
import type { View } from "../view";
import { h } from "./dom";
import { followPointer } from "./pointer";

const LEAST = 240;
/** See `.sw-prompt`. */
const PROMPT_LINE = 33;

/**
 * Give `root` a height and an edge to change it by; `onChange` gets the height when a change is complete. Returns a way to
 * set another height.
 */
export function resizable(
  root: HTMLElement,
  height: number,
  onChange: (height: number) => void,
): (height: number) => void {
  const edge = h("div", {
    class: "sw-edge",
    role: "separator",
    tabindex: 0,
    "aria-orientation": "horizontal",
    "aria-label": "Height of the view",
    title: "Drag to change the height",
  });
  const set = (value: number): void => {
    height = Math.max(LEAST, Math.round(value));
    root.style.height = `${height}px`;
    edge.setAttribute("aria-valuenow", String(height));
    edge.setAttribute("aria-valuemin", String(LEAST));
  };
  edge.addEventListener("pointerdown", (down) => {
    const from = root.offsetHeight - down.clientY;
    followPointer(
      edge,
      down,
      (move) => set(from + move.clientY),
      () => onChange(height),
    );
  });
  edge.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 24, ArrowUp: -24 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    set(height + step);
    onChange(height);
  });
  set(height);
  root.append(edge);
  return set;
}

/** What a view needs is beside the line of its prompt. */
export const promptRoom = (root: HTMLElement): number => (root.querySelector(":scope > .sw-prompt") ? PROMPT_LINE : 0);

/** Bind the height to the trait of that name; where it is null, `natural` is followed until someone has chosen one. */
export function bindHeight(
  { model, root, until }: Pick<View<ViewTraits & { height: number | null }>, "model" | "root" | "until">,
  natural: () => number,
): void {
  const own = (): number => natural() + promptRoom(root);
  const set = resizable(root, model.get("height") ?? own(), (height) => {
    model.set("height", height);
    model.save_changes();
  });
  watch(until, () => {
    const height = own();
    if (model.get("height") === null) set(height);
  });
}
