/** Beside a long text: the whole of it, small, where several tokens share a pixel the one with the largest number; a click goes there. */

import { cssColour } from "../core/drawing/colour";
import { context, h } from "../core/elements/dom";
import { followPointer, placeIn } from "../core/elements/pointer";
import { computed, draw, sizeOf, watch } from "../core/reactive";
import type { State } from "./state";
import type { Text } from "./text";
import { LINE, type Lines, lineOf } from "./text_layout";

const WIDTH = 40;

export function createOverview(state: State, text: Text, until: AbortSignal): HTMLElement {
  const canvas = h("canvas");
  const frame = h("i");
  const element = h("div", { class: "tv-overview", "aria-hidden": "true", title: "The whole text" }, canvas, frame);
  const size = sizeOf(element, until);
  const whole = computed(() => (text.lines.value.starts.length - 1) * LINE);
  const isLong = computed(() => whole.value > text.height.value + 1);
  watch(until, () => void element.classList.toggle("tv-idle", !isLong.value));
  draw(until, () => {
    const height = Math.floor(size.value[1]);
    if (!height || !isLong.value) return;
    const pen = context(canvas, WIDTH, height);
    const [lines, colours] = [text.lines.value, state.colours.value];
    const count = lines.starts.length - 1;
    const pixels = strongest(lines, state.values.value, text.width.value, height);
    pixels.forEach((token, i) => {
      if (token < 0 || !colours[token]) return;
      pen.fillStyle = cssColour(colours[token]!);
      pen.fillRect(i % WIDTH, Math.floor(i / WIDTH), 1, 1);
    });
    pen.fillStyle = state.theme.value.select;
    for (const token of state.selected.value.slice(0, 1000)) {
      pen.fillRect(0, Math.floor((lineOf(lines, token) / count) * height), WIDTH, 2);
    }
  });
  watch(until, () => {
    const scale = size.value[1] / Math.max(1, whole.value);
    frame.style.top = `${text.top.value * scale}px`;
    frame.style.height = `${Math.max(8, text.height.value * scale)}px`;
  });
  const go = (event: PointerEvent): void => {
    const share = placeIn(element, event)[1] / Math.max(1, element.offsetHeight);
    text.scrollTo(share * whole.peek() - text.height.peek() / 2);
  };
  element.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    go(event);
    followPointer(element, event, go);
  });
  return element;
}

/** Of each pixel of the strip the token with the largest number that it shows, -1 where there is none. */
export function strongest(lines: Lines, values: Float64Array, width: number, height: number): Int32Array {
  const pixels = new Int32Array(WIDTH * height).fill(-1);
  const count = lines.starts.length - 1;
  const across = WIDTH / Math.max(1, width);
  for (let line = 0; line < count; line++) {
    const first = Math.floor((line * height) / count);
    const end = Math.max(first + 1, Math.floor(((line + 1) * height) / count) - (height > 3 * count ? 1 : 0));
    for (let token = lines.starts[line]!; token < lines.starts[line + 1]!; token++) {
      const size = Math.abs(values[token]!);
      if (Number.isNaN(size)) continue;
      const from = Math.min(WIDTH - 1, Math.floor(lines.lefts[token]! * across));
      const to = Math.max(from + 1, Math.min(WIDTH, Math.floor((lines.lefts[token]! + lines.widths[token]!) * across)));
      for (let y = first; y < end; y++)
        for (let x = from; x < to; x++) {
          const before = pixels[y * WIDTH + x]!;
          if (before < 0 || size > Math.abs(values[before]!)) pixels[y * WIDTH + x] = token;
        }
    }
  }
  return pixels;
}
