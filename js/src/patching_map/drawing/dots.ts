/** One dot a prompt on an axis that holds 0, with their mean and its interval. */

import { cssColour } from "../../core/colour";
import { short } from "../../core/format";
import type { Statistics } from "../cells/statistics";

const NAMESPACE = "http://www.w3.org/2000/svg";
const SIDE = 14;
const RADIUS = 3.5;
const MOST_DOTS = 200;
const AXIS = 22;

export interface Dots {
  element: SVGSVGElement;
  /** How many of the values have a dot. */
  shown: number;
}

/** Where dots stand: x of each value, and how far each is moved up so that none hides another. */
export function swarm(
  values: ArrayLike<number>,
  xOf: (value: number) => number,
  radius: number,
): { x: number; level: number }[] {
  const order = Array.from(values, (value, at) => ({ x: xOf(value), at })).sort((one, other) => one.x - other.x);
  const ends: number[] = []; // where the last dot of each level ends
  const places: { x: number; level: number }[] = [];
  for (const { x, at } of order) {
    let level = ends.findIndex((end) => end <= x);
    if (level < 0) level = ends.length;
    ends[level] = x + 2 * radius + 0.5;
    places[at] = { x, level };
  }
  return places;
}

export function createDots(
  values: Float64Array,
  statistics: Statistics,
  width: number,
  inks: { low: number; high: number },
  onPoint: (at: number | undefined, event?: MouseEvent) => void,
): Dots {
  const shown = Math.min(values.length, MOST_DOTS);
  const drawn = values.subarray(0, shown);
  const { mean, low, high } = statistics;
  const [from, to] = [Math.min(0, low, ...drawn), Math.max(0, high, ...drawn)];
  const xOf = (value: number): number => SIDE + ((value - from) / (to - from || 1)) * (width - 2 * SIDE);
  const places = swarm(drawn, xOf, RADIUS);
  const levels = 1 + Math.max(...places.map(({ level }) => level));
  const rise = Math.min(2 * RADIUS + 0.5, 56 / levels);
  const ground = 12 + RADIUS + levels * rise;
  const svg = make("svg", {
    width,
    height: ground + AXIS,
    viewBox: `0 0 ${width} ${ground + AXIS}`,
    class: "pm-dots",
    role: "img",
  });
  svg.append(
    ...(low < high
      ? [
          make("rect", {
            x: xOf(low),
            y: 6,
            width: Math.max(1, xOf(high) - xOf(low)),
            height: ground - 6,
            class: "pm-interval",
          }),
        ]
      : []),
    make("path", { d: `M${SIDE} ${ground}H${width - SIDE}`, class: "pm-axis" }),
    make("path", { d: `M${xOf(0)} 6V${ground + 4}`, class: "pm-zero" }),
    make("path", { d: `M${xOf(mean)} 2V${ground + 4}`, class: "pm-mean" }),
  );
  const written: number[] = [];
  for (const [value, text] of [
    [mean, short(mean)],
    [0, "0"],
    [from, short(from)],
    [to, short(to)],
  ] as const) {
    const x = xOf(value);
    if (written.some((other) => Math.abs(other - x) < 34)) continue;
    written.push(x);
    const label = make("text", {
      x,
      y: ground + 16,
      "text-anchor": x < 20 ? "start" : x > width - 20 ? "end" : "middle",
      class: value === mean ? "pm-mean-number" : "",
    });
    label.textContent = text;
    svg.append(label);
  }
  drawn.forEach((value, at) => {
    const { x, level } = places[at]!;
    svg.append(
      make("circle", {
        cx: x,
        cy: ground - RADIUS - 1 - level * rise,
        r: RADIUS,
        fill: cssColour(value < 0 ? inks.low : inks.high),
        "data-at": at,
      }),
    );
  });
  const atOf = (event: Event): number | undefined => {
    const at = (event.target as Element).getAttribute("data-at");
    return at === null ? undefined : Number(at);
  };
  svg.addEventListener("pointermove", (event) => onPoint(atOf(event), event as MouseEvent));
  svg.addEventListener("pointerleave", () => onPoint(undefined));
  return { element: svg as SVGSVGElement, shown };
}

function make(tag: string, attributes: Record<string, string | number>): SVGElement {
  const element = document.createElementNS(NAMESPACE, tag) as SVGElement;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}
