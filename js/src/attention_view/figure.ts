/** The view as an SVG for papers: text as text, cells as rectangles or, where they are many, as a picture. */

import {
  forVisible,
  KEY_LABEL_ANGLE,
  LABEL_CHARACTERS,
  labelPositions,
  labelStep,
} from "../core/attention/matrix_frame";
import { read } from "../core/attention/pattern";
import { paint, rasterise } from "../core/attention/raster";
import { hexColour, type Table } from "../core/drawing/colour";
import { entryOf, type Scale } from "../core/drawing/scale";
import { type Figure, legendOf, MARGIN, MONO, MONO_CHARACTER, numbersOf, round, titled } from "../core/export/figure";
import { xml } from "../core/export/files";
import { aboveText, short } from "../core/format";
import { type Head, headText, sameHead } from "../core/selection";
import { columns, plain } from "../core/tokens";
import { WORDS } from "./opened_head_quantity";
import { thumbnail } from "./patterns/thumbnails";
import { PANEL_TITLES, type PanelName, type State } from "./state";

const MOST_RECTANGLES = 5000;
const SIDE = 360;
/** Room for "query ↓". */
const AXIS_NAMES = 46;

export function figure(state: State, title: string): Figure {
  const head = state.open.peek();
  const pinned = state.pinned.peek().filter((other) => !sameHead(other, head));
  const body = head || pinned.length ? panels(state, [...pinned, ...(head ? [head] : [])]) : grid(state);
  const said: string = state.model.get("comparison") ?? "";
  return titled(body, title, said ? [said] : [], said ? 40 : 20, state.theme.peek());
}

function panels(state: State, heads: readonly Head[]): Figure {
  let left = 0;
  let bottom = 0;
  const all = heads.flatMap((head) =>
    state.panels.filter((panel) => state.has(head, panel)).map((panel) => ({ head, panel })),
  );
  const parts = all.map(({ head, panel }) => {
    const name = headText((panel === "b" && state.beside.head(head)) || head);
    const part = matrix(state, head, panel, state.panels.length > 1 ? `${name}, ${PANEL_TITLES[panel]}` : name);
    const placed = `<g transform="translate(${left} 0)">${part.svg}</g>`;
    left += part.width + MARGIN;
    bottom = Math.max(bottom, part.height);
    return placed;
  });
  return { svg: parts.join(""), width: left - MARGIN, height: bottom };
}

function matrix(state: State, head: Head, panel: PanelName, name: string): Figure {
  const tokens = state.tokensOf(panel);
  const { query, key, span } = state.windowOf(panel).peek();
  const theme = state.theme.peek();
  const cell = SIDE / span;
  const step = labelStep(cell);
  const label = (at: number): string => (step > 1 ? `${at} ` : "") + plain(tokens[at]!, LABEL_CHARACTERS);
  const queries = labelPositions(query, span, tokens.length, step);
  const keys = labelPositions(key, span, tokens.length, step);
  const longest = (positions: number[]): number =>
    Math.max(0, ...positions.map((at) => columns(label(at), 99))) * MONO_CHARACTER;
  const left = Math.max(longest(queries), AXIS_NAMES) + 8;
  const top = 20 - longest(keys) * Math.sin(KEY_LABEL_ANGLE) + 8;
  const [x, y] = [(at: number): number => left + (at - key) * cell, (at: number): number => top + (at - query) * cell];
  const degrees = (KEY_LABEL_ANGLE * 180) / Math.PI;
  return {
    width: left + SIDE + longest(keys.slice(-1)) * Math.cos(KEY_LABEL_ANGLE),
    height: top + SIDE + 48,
    svg:
      `<text y="10">${xml(name)}</text>` +
      `<text x="${left - 6}" y="${top - 18}" text-anchor="end" fill="${theme.dim}">key →</text>` +
      `<text x="${left - 6}" y="${top - 4}" text-anchor="end" fill="${theme.dim}">query ↓</text>` +
      cells(state, head, panel, x, y, cell) +
      `<path d="M${left} ${top}v${SIDE}h${SIDE}" fill="none" stroke="${theme.line}"/>` +
      queries
        .map((at) => `<text x="${left - 6}" y="${y(at + 0.5) + 4}" text-anchor="end" ${MONO}>${xml(label(at))}</text>`)
        .join("") +
      keys
        .map(
          (at) =>
            `<text transform="translate(${x(at + 0.5)} ${top - 6}) rotate(${degrees})" ${MONO}>${xml(label(at))}</text>`,
        )
        .join("") +
      legend(
        state.openedScaleOf(panel),
        state.tableOf(panel),
        panel === "difference" ? "B − A" : WORDS[state.patterns.quantity.peek()].name,
        panel,
        left,
        top + SIDE + 16,
        aboveText(state.clippedOf([head], [panel])),
      ),
  };
}

function cells(
  state: State,
  head: Head,
  panel: PanelName,
  x: (key: number) => number,
  y: (query: number) => number,
  cell: number,
): string {
  const pattern = state.patterns.get(head, panel).peek();
  const view = state.windowOf(panel).peek();
  const [scale, table] = [pattern ? state.openedScaleOf(panel) : state.scaleOf(panel), state.tableOf(panel)];
  const clip = `<clipPath id="cells-${head.join("-")}-${panel}"><rect x="${x(view.key)}" y="${y(view.query)}" width="${SIDE}" height="${SIDE}"/></clipPath>`;
  let count = 0;
  forVisible(view, state.sizeOf(panel), () => count++);
  let inside = "";
  if (pattern && count < MOST_RECTANGLES)
    forVisible(view, state.sizeOf(panel), (query, key) => {
      const { value } = read(pattern, query, key);
      const fill = Number.isNaN(value) ? "none" : hexColour(table[entryOf(value, scale)]!);
      inside += `<rect x="${round(x(key))}" y="${round(y(query))}" width="${round(cell)}" height="${round(cell)}" fill="${fill}"/>`;
    });
  else {
    const coarse = state.weighted ? undefined : thumbnail(state, head, panel);
    const raster = pattern ? rasterise(pattern, view, SIDE * 4) : coarse;
    if (!raster) throw new Error("The head is still loading.");
    inside = image(paint(raster, scale, table), x(raster.key), y(raster.query), raster.width * raster.cells * cell);
  }
  const hatched = pattern?.values.some(Number.isNaN)
    ? hatching(panel, state.theme.peek().warn, x, y, state.sizeOf(panel))
    : "";
  return `${clip}<g clip-path="url(#cells-${head.join("-")}-${panel})" shape-rendering="crispEdges">${hatched}${inside}</g>`;
}

/** Below the cells: it shows where a cell is NaN and therefore not drawn. */
const hatching = (
  panel: PanelName,
  ink: string,
  x: (key: number) => number,
  y: (query: number) => number,
  size: number,
): string =>
  `<pattern id="nan-${panel}" width="6" height="6" patternUnits="userSpaceOnUse"><path d="M0 6 6 0" stroke="${ink}"/></pattern>` +
  `<path d="M${x(0)} ${y(0)}L${x(size)} ${y(size)}H${x(0)}z" fill="url(#nan-${panel})"/>`;

const image = (picture: HTMLCanvasElement, x: number, y: number, side: number): string =>
  `<image x="${round(x)}" y="${round(y)}" width="${round(side)}" height="${round(side)}" preserveAspectRatio="none" style="image-rendering:pixelated" href="${picture.toDataURL()}"/>`;

function legend(
  scale: Scale,
  table: Table,
  quantity: string,
  panel: PanelName,
  left: number,
  top: number,
  above = "",
): string {
  const name = `${quantity}${scale.kind === "log" ? ", log" : ""}${above && `, ${above}`}`;
  return legendOf(`legend-${panel}`, table, numbersOf(scale, short), name, left, top);
}

/** No head is open: all thumbnails. */
function grid(state: State): Figure {
  const [pitch, side, header] = [36, 32, 34];
  const panel = state.panel.peek();
  const [scale, table, theme] = [state.scaleOf(panel), state.tableOf(panel), state.theme.peek()];
  let svg =
    `<text x="${header}" y="12" fill="${theme.dim}">head</text>` +
    `<text x="${header - 6}" y="26" text-anchor="end" fill="${theme.dim}">layer</text>`;
  for (let head = 0; head < state.headsPerLayer; head++)
    svg += `<text x="${header + head * pitch + side / 2}" y="28" text-anchor="middle">${head}</text>`;
  for (let layer = 0; layer < state.layers; layer++) {
    svg += `<text x="${header - 6}" y="${header + layer * pitch + side / 2 + 4}" text-anchor="end">${layer}</text>`;
    for (let head = 0; head < state.headsPerLayer; head++) {
      const [x, y] = [header + head * pitch, header + layer * pitch];
      const raster = thumbnail(state, [layer, head], panel);
      if (raster) svg += image(paint(raster, scale, table), x, y, side);
      svg += `<rect x="${x}" y="${y}" width="${side}" height="${side}" fill="none" stroke="${theme.line}"/>`;
      const letter = state.letters.peek().get(`${layer}.${head}`);
      if (letter)
        svg += `<text x="${x + side - 2}" y="${y + 10}" text-anchor="end" font-weight="600">${xml(letter)}</text>`;
    }
  }
  const height = header + state.layers * pitch;
  return {
    svg: svg + legend(scale, table, panel === "difference" ? "B − A" : "attention", panel, header, height + 8),
    width: header + state.headsPerLayer * pitch,
    height: height + 40,
  };
}
