/** The legend of a colour scale: a bar with numbers, limits that can be dragged, linear or log. */

import { cssColour, type Table } from "../colour";
import { short } from "../format";
import { computed, type ReadonlySignal, type Signal, signal, watch } from "../reactive";
import { entryOf, LOG_FLOOR, niceCeiling, positionOf, type Scale, valueAt } from "../scale";
import { context, h } from "./dom";
import type { Theme } from "./theme";

export interface LegendOptions {
  /** What the colours mean: "attention", "B − A". */
  name: string;
  scale: Signal<Scale>;
  /** What a double click and "reset" go back to. */
  initial(): Scale;
  /** The largest magnitude on show, for "fit". */
  largest(): number;
  /** How many cells lie above the upper limit. */
  clipped: ReadonlySignal<number>;
  table: ReadonlySignal<Table>;
  theme: ReadonlySignal<Theme>;
  onCommit(): void;
  /** How a value is written, where it is not the number itself; default `short`. */
  format?(value: number): string;
  /** Where the bar of a logarithmic scale starts. */
  floor?: number;
  /** The scale stays linear, or logarithmic. */
  fixedKind?: boolean;
}

type Mark = "low" | "high" | "threshold";
const WIDTH = 152;
const BAR = 10;
/** Room left and right of the bar, for the handles and numbers at its ends. */
const PAD = 10;

export function createLegend(options: LegendOptions, until: AbortSignal): HTMLElement {
  const { scale, theme, table, format = short, floor = LOG_FLOOR } = options;
  const dragging = signal(false);
  const canvas = h("canvas", { role: "img", "aria-label": `Colours of ${options.name}` });
  const box = h("span", { class: "sw-legend-scale", title: "Drag the limits; double-click to reset" }, canvas);
  const signed = (): boolean => scale.value.low < 0;

  // While a limit is dragged the bar stands still; afterwards it fits itself around the limits.
  let held: Scale | undefined;
  const domain = computed<Scale>(() => {
    const { kind, low, high } = scale.value;
    if (dragging.value && held) return held;
    const end = niceCeiling(high);
    return (held = {
      kind,
      low: signed() ? -end : kind === "log" ? Math.min(floor, low || floor) : 0,
      high: end,
      threshold: 0,
    });
  });
  const xOf = (value: number): number =>
    PAD + Math.max(0, Math.min(1, positionOf(value, domain.value))) * (WIDTH - 2 * PAD);
  const valueUnder = (x: number): number =>
    valueAt(Math.max(0, Math.min(1, (x - PAD) / (WIDTH - 2 * PAD))), domain.value);

  const change = (mark: Mark, value: number): void => {
    const now = scale.peek();
    const least = domain.peek().high / 100;
    if (mark === "threshold")
      scale.value = { ...now, threshold: Math.min(Math.abs(value) <= LOG_FLOOR ? 0 : Math.abs(value), now.high) };
    else if (signed())
      scale.value = { ...now, low: -Math.max(least, Math.abs(value)), high: Math.max(least, Math.abs(value)) };
    else if (mark === "low") scale.value = { ...now, low: value <= LOG_FLOOR ? 0 : Math.min(value, now.high - least) };
    else scale.value = { ...now, high: Math.max(value, now.low + least) };
  };
  const reset = (): void => {
    scale.value = options.initial();
    options.onCommit();
  };

  const handle = (mark: Mark, label: string): HTMLElement => {
    const element = h("span", {
      class: "sw-handle",
      role: "slider",
      tabindex: 0,
      "data-mark": mark,
      "aria-label": `${label} of ${options.name}`,
      title: label,
    });
    element.addEventListener("pointerdown", (down) => {
      down.preventDefault();
      element.focus();
      element.setPointerCapture(down.pointerId);
      dragging.value = true;
      element.onpointermove = (move) => change(mark, valueUnder(move.clientX - box.getBoundingClientRect().left));
      element.onlostpointercapture = () => {
        element.onpointermove = null;
        dragging.value = false;
        options.onCommit();
      };
    });
    element.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      const from = mark === "high" ? scale.peek().high : mark === "low" ? scale.peek().low : scale.peek().threshold;
      change(mark, valueUnder(xOf(from) + step * (event.shiftKey ? 16 : 4) * (signed() && mark === "low" ? -1 : 1)));
      options.onCommit();
    });
    box.append(element);
    watch(until, () => {
      const value = scale.value[mark];
      element.style.left = `${xOf(value)}px`;
      element.setAttribute("aria-valuenow", String(value));
      element.setAttribute("aria-valuetext", format(value));
    });
    return element;
  };
  handle("low", "Lower limit");
  handle("high", "Upper limit");
  handle("threshold", "Threshold: cells below it are left empty");
  box.addEventListener("dblclick", reset);

  watch(until, () => {
    const pen = context(canvas, WIDTH, BAR);
    const colours = table.value;
    for (let x = PAD; x < WIDTH - PAD; x++) {
      pen.fillStyle = cssColour(colours[entryOf(valueUnder(x + 0.5), scale.value)]!);
      pen.fillRect(x, 0, 1, BAR);
    }
    pen.strokeStyle = theme.value.line;
    pen.strokeRect(PAD + 0.5, 0.5, WIDTH - 2 * PAD - 1, BAR - 1);
  });
  const numbers = h("span", { "aria-hidden": "true" });
  box.append(numbers);
  watch(until, () => numbers.replaceChildren(...numberLabels(scale.value, domain.value, xOf, options.format)));

  const kind = h("button", {
    class: "sw-button",
    type: "button",
    onclick: () => {
      const log = scale.peek().kind === "linear";
      scale.value = { ...scale.peek(), kind: log ? "log" : "linear" };
      options.onCommit();
    },
  });
  const fit = h(
    "button",
    {
      class: "sw-button",
      type: "button",
      title: "Set the upper limit to the largest value on show",
      onclick: () => {
        change("high", options.largest());
        options.onCommit();
      },
    },
    "fit",
  );
  const clipped = h("span", { class: "sw-clipped", title: "Cells above the upper limit; they carry a mark" });
  watch(until, () => {
    kind.textContent = scale.value.kind;
    kind.setAttribute("aria-label", `Scale: ${scale.value.kind}`);
    kind.title = scale.value.kind === "linear" ? "Change to a logarithmic scale" : "Change to a linear scale";
    kind.hidden = signed() || !!options.fixedKind;
    const count = options.clipped.value;
    clipped.textContent = count ? `${count.toLocaleString("en")} above` : "";
    clipped.hidden = !count;
  });
  return h(
    "span",
    { class: "sw-legend" },
    h("span", { class: "sw-legend-name" }, options.name),
    box,
    clipped,
    kind,
    fit,
  );
}

/** Numbers under the bar: the limits first, then the threshold and the ends where there is room. */
function numberLabels(
  scale: Scale,
  domain: Scale,
  xOf: (value: number) => number,
  format?: (value: number) => string,
): HTMLElement[] {
  const written = format ?? ((value) => (value === 0 && domain.kind === "log" ? `≤${short(LOG_FLOOR)}` : short(value)));
  const taken: number[] = [];
  const wanted = [
    scale.high,
    scale.low,
    ...(scale.threshold ? [scale.threshold] : []),
    domain.high,
    domain.low,
    ...(domain.low < 0 ? [0] : []),
  ];
  return wanted.flatMap((value) => {
    const x = xOf(value);
    if (taken.some((other) => Math.abs(other - x) < 28)) return [];
    taken.push(x);
    const label = h("span", { class: "sw-legend-number" }, written(value));
    label.style.left = `${x}px`;
    return [label];
  });
}
