/** The legend of a colour scale: a bar with numbers, limits that can be dragged, linear or log. */

import { context, h } from "../elements/dom";
import { followPointer } from "../elements/pointer";
import type { Theme } from "../elements/theme";
import { aboveText, short } from "../format";
import { computed, type ReadonlySignal, type Signal, signal, watch } from "../reactive";
import { cssColour, type Table } from "./colour";
import { entryOf, LOG_FLOOR, niceEnd, positionOf, type Scale, valueAt } from "./scale";

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
  /** What is counted there, and how it is told apart; default: cells with a mark. */
  clippedTitle?: string;
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

/** Where values stand along the bar, and what moves them. */
interface Axis {
  /** What the bar goes over, from its left end to its right. */
  domain: ReadonlySignal<Scale>;
  dragging: Signal<boolean>;
  xOf(value: number): number;
  valueUnder(x: number): number;
  change(mark: Mark, value: number): void;
}

export function createLegend(options: LegendOptions, until: AbortSignal): HTMLElement {
  const axis = axisOf(options);
  return h(
    "span",
    { class: "sw-legend" },
    h("span", { class: "sw-legend-name" }, options.name),
    createBar(options, axis, until),
    clippedCount(options, until),
    kindButton(options, until),
    fitButton(options, axis),
  );
}

const isSigned = ({ low }: Scale): boolean => low < 0;

function axisOf({ scale, floor = LOG_FLOOR }: LegendOptions): Axis {
  const dragging = signal(false);
  // While a limit is dragged the bar stands still; afterwards it fits itself around the limits.
  let held: Scale | undefined;
  const domain = computed<Scale>(() => {
    const { kind, low, high } = scale.value;
    if (dragging.value && held) return held;
    const end = niceEnd(high);
    return (held = {
      kind,
      low: isSigned(scale.value) ? -end : kind === "log" ? Math.min(floor, low || floor) : 0,
      high: end,
      threshold: 0,
    });
  });
  return {
    domain,
    dragging,
    xOf: (value) => PAD + Math.max(0, Math.min(1, positionOf(value, domain.value))) * (WIDTH - 2 * PAD),
    valueUnder: (x) => valueAt(Math.max(0, Math.min(1, (x - PAD) / (WIDTH - 2 * PAD))), domain.value),
    change: (mark, value) => void (scale.value = moved(scale.peek(), mark, value, domain.peek().high / 100)),
  };
}

/** A scale with one of its marks elsewhere; the limits of signed values stay symmetric, and `least` apart. */
function moved(scale: Scale, mark: Mark, value: number, least: number): Scale {
  const size = Math.abs(value);
  if (mark === "threshold") return { ...scale, threshold: Math.min(size <= LOG_FLOOR ? 0 : size, scale.high) };
  if (isSigned(scale)) return { ...scale, low: -Math.max(least, size), high: Math.max(least, size) };
  if (mark === "low") return { ...scale, low: value <= LOG_FLOOR ? 0 : Math.min(value, scale.high - least) };
  return { ...scale, high: Math.max(value, scale.low + least) };
}

/** The colours, the handles on them and the numbers below. */
function createBar(options: LegendOptions, axis: Axis, until: AbortSignal): HTMLElement {
  const { scale, theme, table } = options;
  const canvas = h("canvas", { role: "img", "aria-label": `Colours of ${options.name}` });
  const bar = h("span", { class: "sw-legend-scale", title: "Drag the limits; double-click to reset" }, canvas);
  bar.append(
    createHandle(options, axis, bar, "low", "Lower limit", until),
    createHandle(options, axis, bar, "high", "Upper limit", until),
    createHandle(options, axis, bar, "threshold", "Threshold: cells below it are left empty", until),
  );
  bar.addEventListener("dblclick", () => {
    scale.value = options.initial();
    options.onCommit();
  });
  watch(until, () => {
    const pen = context(canvas, WIDTH, BAR);
    const colours = table.value;
    for (let x = PAD; x < WIDTH - PAD; x++) {
      pen.fillStyle = cssColour(colours[entryOf(axis.valueUnder(x + 0.5), scale.value)]!);
      pen.fillRect(x, 0, 1, BAR);
    }
    pen.strokeStyle = theme.value.line;
    pen.strokeRect(PAD + 0.5, 0.5, WIDTH - 2 * PAD - 1, BAR - 1);
  });
  const numbers = h("span", { "aria-hidden": "true" });
  bar.append(numbers);
  watch(until, () =>
    numbers.replaceChildren(...numberLabels(scale.value, axis.domain.value, axis.xOf, options.format)),
  );
  return bar;
}

function createHandle(
  { name, scale, format = short, onCommit }: LegendOptions,
  { dragging, xOf, valueUnder, change }: Axis,
  bar: HTMLElement,
  mark: Mark,
  label: string,
  until: AbortSignal,
): HTMLElement {
  const element = h("span", {
    class: "sw-handle",
    role: "slider",
    tabindex: 0,
    "data-mark": mark,
    "aria-label": `${label} of ${name}`,
    title: label,
  });
  element.addEventListener("pointerdown", (down) => {
    down.preventDefault();
    element.focus();
    dragging.value = true;
    // A count of what is clipped comes and goes beside the bar: what it moves must not move the limit again.
    const { left } = bar.getBoundingClientRect();
    followPointer(
      element,
      down,
      (move) => change(mark, valueUnder(move.clientX - left)),
      () => {
        dragging.value = false;
        onCommit();
      },
    );
  });
  element.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const now = scale.peek();
    change(
      mark,
      valueUnder(xOf(now[mark]) + step * (event.shiftKey ? 16 : 4) * (isSigned(now) && mark === "low" ? -1 : 1)),
    );
    onCommit();
  });
  watch(until, () => {
    const value = scale.value[mark];
    element.style.left = `${xOf(value)}px`;
    element.setAttribute("aria-valuenow", String(value));
    element.setAttribute("aria-valuetext", format(value));
  });
  return element;
}

function clippedCount(
  { clipped, clippedTitle = "Cells above the upper limit; they carry a mark" }: LegendOptions,
  until: AbortSignal,
): HTMLElement {
  const element = h("span", { class: "sw-clipped", title: clippedTitle });
  watch(until, () => {
    element.textContent = aboveText(clipped.value);
    element.hidden = !clipped.value;
  });
  return element;
}

function kindButton({ scale, fixedKind, onCommit }: LegendOptions, until: AbortSignal): HTMLElement {
  const button = h("button", {
    class: "sw-button",
    type: "button",
    onclick: () => {
      const log = scale.peek().kind === "linear";
      scale.value = { ...scale.peek(), kind: log ? "log" : "linear" };
      onCommit();
    },
  });
  watch(until, () => {
    const { kind } = scale.value;
    button.textContent = kind;
    button.setAttribute("aria-label", `Scale: ${kind}`);
    button.title = kind === "linear" ? "Change to a logarithmic scale" : "Change to a linear scale";
    button.hidden = isSigned(scale.value) || !!fixedKind;
  });
  return button;
}

function fitButton({ largest, onCommit }: LegendOptions, { change }: Axis): HTMLElement {
  return h(
    "button",
    {
      class: "sw-button",
      type: "button",
      title: "Set the upper limit to the largest value on show",
      onclick: () => {
        change("high", largest());
        onCommit();
      },
    },
    "fit",
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
