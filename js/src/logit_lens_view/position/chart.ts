/** The watched tokens over the layers of one position, as an SVG for the view and for files. */
import { classHue } from "../../core/colour";
import { xml } from "../../core/export";
import { niceCeiling } from "../../core/scale";
import { plain } from "../../core/tokens";
import { stepOf } from "../layout";
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

export function chartOf(state: State, { width, height, layer }: ChartOptions): Chart {
  const { lens } = state;
  const theme = state.theme.value;
  const position = state.position.value;
  const ranks = state.chart.value === "rank";
  const last = lens.layers.length - 1;
  const lines = lens.watched.flatMap((id, i) => {
    const watched = lens.ofWatched.get(id)!.value;
    if (!watched) return [];
    const values = Array.from(
      { length: last + 1 },
      (_, at) => (ranks ? watched.ranks : watched.probabilities)[lens.cell(at, position)]!,
    );
    return [
      {
        name: plain(lens.text(id), WORD),
        values,
        hue: classHue(HUES[i % HUES.length]!, theme.dark),
        dashed: i >= HUES.length,
      },
    ];
  });
  const at = layer ?? last;
  const say = ranks ? rankText : briefProbability;
  const numbers = lines.map(({ values }) => say(values[at]!));
  const numberWidth =
    6.5 *
    Math.max(
      1,
      ...lines.flatMap(({ values }) => (ranks ? values : values.slice(at, at + 1)).map((value) => say(value).length)),
    );
  const nameWidth = CHARACTER * Math.max(0, ...lines.map(({ name }) => [...name].length));
  const right = Math.min(width / 2, 18 + numberWidth + nameWidth);
  const [plotWidth, plotHeight] = [Math.max(20, width - LEFT - right), Math.max(20, height - TOP - BOTTOM)];
  const most = Math.max(ranks ? 9 : 0, ...lines.flatMap(({ values }) => values.filter(Number.isFinite)));
  const decades = Math.max(1, Math.ceil(Math.log10(most + 1)));
  const ceiling = niceCeiling(most);
  const x = (index: number): number => round(LEFT + (last ? index / last : 0) * plotWidth);
  const y = (value: number): number =>
    round(TOP + (ranks ? Math.log10(value + 1) / decades : 1 - value / ceiling) * plotHeight);

  const parts: string[] = [];
  const ticks = ranks ? Array.from({ length: decades + 1 }, (_, i) => 10 ** i - 1) : [0, ceiling / 2, ceiling];
  for (const tick of ticks) {
    parts.push(`<path d="M${LEFT} ${y(tick)}h${plotWidth}" stroke="${theme.ink}" stroke-opacity=".12"/>`);
    parts.push(
      text(
        LEFT - 6,
        y(tick) + 4,
        ranks ? tickText(tick + 1) : String(Number(tick.toPrecision(2))),
        `text-anchor="end" fill="${theme.dim}"`,
      ),
    );
  }
  const step = stepOf(plotWidth / Math.max(1, last), 26);
  for (let index = 0; index <= last; index += step)
    if (x(last) - x(index) > 42 || index === last) parts.push(layerTick(x(index), lens.layerName(index), theme.dim));
  if (last % step || last === 0) parts.push(layerTick(x(last), "output", theme.dim));
  if (layer !== undefined) parts.push(`<path d="M${x(layer)} ${TOP}v${plotHeight}" stroke="${theme.dim}"/>`);

  for (const { values, hue, dashed } of lines) {
    const path = values
      .map((value, index) =>
        Number.isFinite(value)
          ? `${index && Number.isFinite(values[index - 1]) ? "L" : "M"}${x(index)} ${y(value)}`
          : "",
      )
      .join("");
    parts.push(
      `<path d="${path}" fill="none" stroke="${hue}" stroke-width="1.75" stroke-linejoin="round"${dashed ? ' stroke-dasharray="4 3"' : ""}/>`,
    );
    if (Number.isFinite(values[at]))
      parts.push(`<circle cx="${x(at)}" cy="${y(values[at]!)}" r="3" fill="${hue}" stroke="${theme.ground}"/>`);
  }
  // Each name stands where its line ends; the number before it is that of the layer pointed at.
  const heights = apart(
    lines.map(({ values }) => y(values[last]!)),
    TOP + 4,
    TOP + plotHeight,
  );
  const column = LEFT + plotWidth + 10 + numberWidth;
  lines.forEach(({ name, hue }, i) => {
    const middle = heights[i]! + 4;
    parts.push(text(column, middle, numbers[i]!, `text-anchor="end" fill="${theme.ink}"`));
    parts.push(
      text(
        column + 5,
        middle,
        name,
        `fill="${hue}" font-weight="600" font-family="ui-monospace, Menlo, Consolas, monospace" xml:space="preserve"`,
      ),
    );
  });

  const what = ranks ? "Ranks" : "Probabilities";
  return {
    svg: parts.join(""),
    words: `${what} after position ${position} at ${at === last ? "the output" : `layer ${lens.layerName(at)}`}: ${lines.map(({ name }, i) => `${name} ${numbers[i]}`).join(", ") || "no token is watched"}`,
    layerAt: (px) => Math.max(0, Math.min(last, Math.round(((px - LEFT) / plotWidth) * last))),
  };

  function layerTick(at: number, name: string, ink: string): string {
    return (
      `<path d="M${at} ${TOP + plotHeight}v${TICK_LENGTH}" stroke="${ink}"/>` +
      text(at, TOP + plotHeight + 16, name, `text-anchor="middle" fill="${ink}"`)
    );
  }
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
