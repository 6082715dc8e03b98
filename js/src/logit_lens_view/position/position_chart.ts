/** The watched tokens over the layers of one position, as an SVG for the view and for files. */
import { classHue } from "../../core/drawing/colour";
import { niceCeiling } from "../../core/drawing/scale";
import type { Theme } from "../../core/elements/theme";
import { MONO } from "../../core/export/figure";
import { xml } from "../../core/export/files";
import { plain } from "../../core/tokens";
import { stepOf } from "../layout";
import type { Lens } from "../lens";
import { briefProbability, rankText } from "../quantities";
import type { State } from "../state";

/** Hues of the lines, in the order of the watched tokens; from the ninth on dashed. */
const HUES = [..."SNIPDB-F"];
const TICK_LENGTH = 4;
const LEFT = 36;
const TOP = 8;
const BOTTOM = 22;
const LABEL_PITCH = 13;
const CHARACTER = 6.7;
const WORD = 10;

export interface ChartOptions {
  width: number;
  height: number;
  /** A layer that is pointed at; the numbers beside the lines are its. Else they are the output's. */
  layer?: number;
}

export interface Chart {
  svg: string;
  /** In words, for screen readers. */
  words: string;
  layerAt(x: number): number;
}

/** A watched token. */
interface Line {
  name: string;
  /** At each layer. */
  values: number[];
  hue: string;
  dashed: boolean;
}

/** Layers across, ranks or probabilities up. */
interface Axes {
  width: number;
  height: number;
  /** The output. */
  last: number;
  ticks: { value: number; text: string }[];
  x(layer: number): number;
  y(value: number): number;
}

export function chartOf(state: State, { width, height, layer }: ChartOptions): Chart {
  const { lens } = state;
  const theme = state.theme.value;
  const ranks = state.chart.value === "rank";
  const last = lens.layers.length - 1;
  const lines = linesOf(state);
  const at = layer ?? last;
  const say = ranks ? rankText : briefProbability;
  const numbers = lines.map(({ values }) => say(values[at]!));
  // Ranks change their length from layer to layer, and the plot keeps its width meanwhile.
  const sized = lines.flatMap(({ values }) => (ranks ? values : values.slice(at, at + 1)).map(say));
  const numberWidth = 6.5 * Math.max(1, ...sized.map((text) => text.length));
  const nameWidth = CHARACTER * Math.max(0, ...lines.map(({ name }) => [...name].length));
  const right = Math.min(width / 2, 18 + numberWidth + nameWidth);
  const axes = axesOf(lines, ranks, last, Math.max(20, width - LEFT - right), Math.max(20, height - TOP - BOTTOM));
  const parts = [
    valueTicks(axes, theme),
    layerTicks(axes, lens, theme.dim),
    layer === undefined ? "" : `<path d="M${axes.x(layer)} ${TOP}v${axes.height}" stroke="${theme.dim}"/>`,
    ...lines.map((line) => curveOf(line, axes, at, theme)),
    namesOf(lines, numbers, axes, numberWidth, theme),
  ];
  const what = `${ranks ? "Ranks" : "Probabilities"} after position ${state.position.value}`;
  const where = at === last ? "the output" : `layer ${lens.layerName(at)}`;
  return {
    svg: parts.join(""),
    words: `${what} at ${where}: ${lines.map(({ name }, i) => `${name} ${numbers[i]}`).join(", ") || "no token is watched"}`,
    layerAt: (px) => Math.max(0, Math.min(last, Math.round(((px - LEFT) / axes.width) * last))),
  };
}

/** The watched tokens that have arrived. */
function linesOf({ lens, theme, position, chart }: State): Line[] {
  const { dark } = theme.value;
  return lens.watched.flatMap((id, i) => {
    const watched = lens.ofWatched.get(id)!.value;
    if (!watched) return [];
    const all = chart.value === "rank" ? watched.ranks : watched.probabilities;
    return [
      {
        name: plain(lens.text(id), WORD),
        values: lens.layers.map((_, layer) => all[lens.cell(layer, position.value)]!),
        hue: classHue(HUES[i % HUES.length]!, dark),
        dashed: i >= HUES.length,
      },
    ];
  });
}

function axesOf(lines: Line[], ranks: boolean, last: number, width: number, height: number): Axes {
  const most = Math.max(ranks ? 9 : 0, ...lines.flatMap(({ values }) => values.filter(Number.isFinite)));
  const decades = Math.max(1, Math.ceil(Math.log10(most + 1)));
  const ceiling = niceCeiling(most);
  return {
    width,
    height,
    last,
    ticks: ranks
      ? Array.from({ length: decades + 1 }, (_, i) => ({ value: 10 ** i - 1, text: tickText(10 ** i) }))
      : [0, ceiling / 2, ceiling].map((value) => ({ value, text: String(Number(value.toPrecision(2))) })),
    x: (layer) => round(LEFT + (last ? layer / last : 0) * width),
    y: (value) => round(TOP + (ranks ? Math.log10(value + 1) / decades : 1 - value / ceiling) * height),
  };
}

const valueTicks = ({ width, ticks, y }: Axes, { ink, dim }: Theme): string =>
  ticks
    .map(
      ({ value, text: words }) =>
        `<path d="M${LEFT} ${y(value)}h${width}" stroke="${ink}" stroke-opacity=".12"/>` +
        text(LEFT - 6, y(value) + 4, words, `text-anchor="end" fill="${dim}"`),
    )
    .join("");

/** Of every nth layer, and of the output, which always has its name. */
function layerTicks({ width, height, last, x }: Axes, lens: Lens, ink: string): string {
  const tick = (at: number, name: string): string =>
    `<path d="M${at} ${TOP + height}v${TICK_LENGTH}" stroke="${ink}"/>` +
    text(at, TOP + height + 16, name, `text-anchor="middle" fill="${ink}"`);
  const step = stepOf(width / Math.max(1, last), 26);
  let svg = "";
  for (let layer = 0; layer <= last; layer += step)
    if (x(last) - x(layer) > 42 || layer === last) svg += tick(x(layer), lens.layerName(layer));
  return last % step || last === 0 ? svg + tick(x(last), "output") : svg;
}

/** The line of a token, broken where it has no value, with a dot at the layer that is pointed at. */
function curveOf({ values, hue, dashed }: Line, { x, y }: Axes, at: number, { ground }: Theme): string {
  const path = values
    .map((value, layer) =>
      Number.isFinite(value) ? `${layer && Number.isFinite(values[layer - 1]) ? "L" : "M"}${x(layer)} ${y(value)}` : "",
    )
    .join("");
  const line = `<path d="${path}" fill="none" stroke="${hue}" stroke-width="1.75" stroke-linejoin="round"${dashed ? ' stroke-dasharray="4 3"' : ""}/>`;
  if (!Number.isFinite(values[at])) return line;
  return `${line}<circle cx="${x(at)}" cy="${y(values[at]!)}" r="3" fill="${hue}" stroke="${ground}"/>`;
}

/** Each name stands where its line ends; the number before it is that of the layer pointed at. */
function namesOf(
  lines: Line[],
  numbers: string[],
  { width, height, last, y }: Axes,
  numberWidth: number,
  { ink }: Theme,
): string {
  const heights = apart(
    lines.map(({ values }) => y(values[last]!)),
    TOP + 4,
    TOP + height,
  );
  const column = LEFT + width + 10 + numberWidth;
  return lines
    .map(({ name, hue }, i) => {
      const middle = heights[i]! + 4;
      return (
        text(column, middle, numbers[i]!, `text-anchor="end" fill="${ink}"`) +
        text(column + 5, middle, name, `fill="${hue}" font-weight="600" ${MONO}`)
      );
    })
    .join("");
}

const tickText = (rank: number): string => (rank >= 1000 ? `${rank / 1000}k` : String(rank));
const round = (value: number): number => Math.round(value * 10) / 10;
const text = (x: number, y: number, words: string, style: string): string =>
  `<text x="${round(x)}" y="${round(y)}" ${style}>${xml(words)}</text>`;

/** Heights of labels, moved as little as needed to stand apart, between two limits. */
export function apart(wanted: readonly number[], top: number, bottom: number): number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a]! - wanted[b]!);
  const placed = [...wanted];
  let least = top;
  for (const i of order) {
    placed[i] = Math.max(wanted[i]!, least);
    least = placed[i]! + LABEL_PITCH;
  }
  let most = bottom;
  for (const i of order.reverse()) {
    placed[i] = Math.min(placed[i]!, most);
    most = placed[i]! - LABEL_PITCH;
  }
  return placed;
}
