/** The threshold: how many of all edges are kept, on the axis of the curve. */

import { h } from "../../core/elements/dom";
import { followPointer } from "../../core/elements/pointer";
import { counted, share } from "../../core/format";
import { watch } from "../../core/reactive";
import type { State } from "../state";
import { edgesAt, positionOf } from "./measurements";

export function createSlider(state: State, until: AbortSignal): HTMLElement {
  const most = state.edges.scored;
  const thumb = h("span", {
    class: "cg-thumb",
    role: "slider",
    tabindex: most ? 0 : -1,
    "aria-label": "Edges kept",
    "aria-valuemin": 0,
    "aria-valuemax": most,
  });
  const filled = h("span", { class: "cg-filled" });
  const element = h("div", { class: "cg-slider" }, filled, thumb);
  const now = (): number => state.edits.value.kept ?? Math.min(most, state.givenCount);
  watch(until, () => {
    const place = `${100 * positionOf(now(), most)}%`;
    thumb.style.left = filled.style.width = place;
    thumb.setAttribute("aria-valuenow", String(now()));
    thumb.setAttribute("aria-valuetext", `${counted(now(), "edge")}, ${share(now(), state.edges.count)}`);
  });
  const at = (event: PointerEvent): number => {
    const { left, width } = element.getBoundingClientRect();
    return edgesAt((event.clientX - left) / width, most);
  };
  element.addEventListener("pointerdown", (down) => {
    if (!most || down.button) return;
    down.preventDefault();
    thumb.focus();
    if (down.target !== thumb) state.sliding.value = at(down);
    followPointer(
      element,
      down,
      (move) => (state.sliding.value = at(move)),
      () => {
        if (state.sliding.peek() !== undefined) state.keep(state.sliding.peek()!);
      },
    );
  });
  thumb.addEventListener("keydown", (event) => {
    const from = now();
    const leap = Math.max(1, Math.round(from * 0.1));
    const to = {
      ArrowLeft: from - 1,
      ArrowDown: from - 1,
      ArrowRight: from + 1,
      ArrowUp: from + 1,
      PageDown: from - leap,
      PageUp: from + leap,
      Home: 0,
      End: most,
    }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const step = event.shiftKey && event.key.startsWith("Arrow") ? (to - from) * leap : to - from;
    state.keep(Math.max(0, Math.min(most, from + step)));
  });
  return element;
}
