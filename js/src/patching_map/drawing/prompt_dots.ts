/** One dot a prompt on an axis that holds 0, with their mean and its interval. */

import { cssColour } from "../../core/drawing/colour";
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

/** From values to pixels, and where the axis stands. */
interface Axis {
  from: number;
  to: number;
  width: number;
  ground: number;
  x(value: number): number;
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
  const { low, high } = statistics;
  const [from, to] = [Math.min(0, low, ...drawn), Math.max(0, high, ...drawn)];
  const x = (value: number): number => SIDE + ((value - from) / (to - from || 1)) * (width - 2 * SIDE);
  const places = swarm(drawn, x, RADIUS);
  const levels = 1 + Math.max(...places.map(({ level }) => level));
  const rise = Math.min(2 * RADIUS + 0.5, 56 / levels);
  const ground = 12 + RADIUS + levels * rise;
  const axis = { from, to, width, ground, x };
  const svg = make("svg", {
    width,
    height: ground + AXIS,
    viewBox: `0 0 ${width} ${ground + AXIS}`,
    class: "pm-dots",
    role: "img",
  });
  svg.append(...linesOf(axis, statistics), ...numbersOf(axis, statistics.mean));
  drawn.forEach((value, at) => {
    const { x: cx, level } = places[at]!;
    const [cy, fill] = [ground - RADIUS - 1 - level * rise, cssColour(value < 0 ? inks.low : inks.high)];
    svg.append(make("circle", { cx, cy, r: RADIUS, fill, "data-at": at }));
  });
  const atOf = (event: Event): number | undefined => {
    const at = (event.target as Element).getAttribute("data-at");
    return at === null ? undefined : Number(at);
  };
  svg.addEventListener("pointermove", (event) => onPoint(atOf(event), event as MouseEvent));
  svg.addEventListener("pointerleave", () => onPoint(undefined));
  return { element: svg as SVGSVGElement, shown };
}

/** The interval of the mean, the axis, zero and the mean. */
function linesOf({ width, ground, x }: Axis, { mean, low, high }: Statistics): SVGElement[] {
  const lines = [
    make("path", { d: `M${SIDE} ${ground}H${width - SIDE}`, class: "pm-axis" }),
    make("path", { d: `M${x(0)} 6V${ground + 4}`, class: "pm-zero" }),
    make("path", { d: `M${x(mean)} 2V${ground + 4}`, class: "pm-mean" }),
  ];
  if (!(low < high)) return lines;
  const interval = { x: x(low), y: 6, width: Math.max(1, x(high) - x(low)), height: ground - 6 };
  return [make("rect", { ...interval, class: "pm-interval" }), ...lines];
}

/** Below the axis: the mean first, then what has room. */
function numbersOf({ from, to, width, ground, x }: Axis, mean: number): SVGElement[] {
  const taken: number[] = [];
  return (
    [
      [mean, short(mean)],
      [0, "0"],
      [from, short(from)],
      [to, short(to)],
    ] as const
  ).flatMap(([value, text]) => {
    const at = x(value);
    if (taken.some((other) => Math.abs(other - at) < 34)) return [];
    taken.push(at);
    const number = make("text", {
      x: at,
      y: ground + 16,
      "text-anchor": at < 20 ? "start" : at > width - 20 ? "end" : "middle",
      class: value === mean ? "pm-mean-number" : "",
    });
    number.textContent = text;
    return [number];
  });
}

function make(tag: string, attributes: Record<string, string | number>): SVGElement {
  const element = document.createElementNS(NAMESPACE, tag) as SVGElement;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}
