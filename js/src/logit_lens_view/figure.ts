/** The view as an SVG for papers: the cells on show with their words, the legend, and the chart of the position. */

import { hexColour, inkOn } from "../core/drawing/colour";
import { type Figure, legendOf, MARGIN, MONO, numbersOf, round, SANS, titled } from "../core/export/figure";
import { xml } from "../core/export/files";
import { aboveText, short } from "../core/format";
import { fitted, plain } from "../core/tokens";
import { GUTTER, HEADER, shownRange, stepOf } from "./layout";
import { fontSize, forShown, hasSettled, hasWords, placeOf } from "./map/cell_layout";
import { settledPath } from "./map/map_drawing";
import { colourOf, rasterOf } from "./map/raster";
import { chartOf } from "./position/position_chart";
import { colourName, legendRank } from "./quantities";
import type { State } from "./state";

const TITLE = 24;
const CHART = { width: 320, height: 180 };
const LEGEND = 44;
/** Of a character in that font, as a part of its size: a file is read where nothing can be measured. */
const CHARACTER = 0.602;

export function figure(state: State, title: string): Figure {
  const map = mapOf(state);
  const hasChart = state.lens.watched.length > 0;
  const after = `<text y="${HEADER - 8}" ${MONO}><tspan ${SANS}>after position ${state.position.peek()} </tspan>${xml(plain(state.lens.tokens[state.position.peek()]!, 20))}</text>`;
  const chart = `<g transform="translate(${map.width + MARGIN} 0)">${after}<g transform="translate(0 ${HEADER})">${hasChart ? chartOf(state, CHART).svg : ""}</g></g>`;
  const body = {
    width: map.width + (hasChart ? MARGIN + CHART.width : 0),
    height: Math.max(map.height + LEGEND, hasChart ? CHART.height + HEADER : 0),
    svg: `${map.svg}${legend(state, map.height + 12)}${hasChart ? chart : ""}`,
  };
  return titled(body, title, [], TITLE, state.theme.peek());
}

function mapOf(state: State): Figure {
  const [view, room, theme] = [state.view.peek(), state.room.peek(), state.theme.peek()];
  if (!room.width) throw new Error("The view is not on show.");
  const { x, y } = placeOf(view);
  const [width, height] = [
    Math.min(room.width, x(state.counts.columns) - GUTTER),
    Math.min(room.height, y(state.counts.rows) - HEADER),
  ];
  const path =
    "M" +
    settledPath(state)
      .map(([x, y]) => `${round(x)} ${round(y)}`)
      .join("L");
  const stroke = (ink: string, wide: number): string =>
    `<path d="${path}" fill="none" stroke="${ink}" stroke-width="${wide}"/>`;
  return {
    width: GUTTER + width,
    height: HEADER + height,
    svg:
      `<clipPath id="cells"><rect x="${GUTTER}" y="${HEADER}" width="${round(width)}" height="${round(height)}"/></clipPath>` +
      `<g clip-path="url(#cells)">${hasWords(view) ? words(state) + stroke(theme.ground, 3.5) + stroke(theme.ink, 1.5) : picture(state) + (hasSettled(view) ? stroke(theme.ink, 1) : "")}</g>` +
      layerLabels(state) +
      tokenLabels(state),
  };
}

function words(state: State): string {
  const { lens } = state;
  const [view, values, scale, table, theme] = [
    state.view.peek(),
    state.values.peek(),
    state.scale.peek(),
    state.table.peek(),
    state.theme.peek(),
  ];
  const { x, y } = placeOf(view);
  const size = fontSize(view.h);
  const measure = (text: string): number => [...text].length * size * CHARACTER;
  let svg = "";
  forShown(state, (row, column) => {
    const cell = lens.cell(state.rowOf(row), column);
    const colour = values ? colourOf(values[cell]!, scale, table) : 0;
    const [left, top, width, height] = [x(column), y(row), x(column + 1) - x(column) - 1, y(row + 1) - y(row) - 1];
    const word = fitted(lens.text(lens.topIds[cell]!), view.w - 8, measure).map(({ text, dim }) =>
      dim ? `<tspan fill-opacity=".6">${xml(text)}</tspan>` : xml(text),
    );
    if (colour) svg += `<rect x="${left}" y="${top}" width="${width}" height="${height}" fill="${hexColour(colour)}"/>`;
    svg += `<text x="${left + 4}" y="${round(top + height / 2 + size * 0.35)}" font-size="${size}" fill="${inkOn(colour) || theme.ink}" ${MONO}>${word.join("")}</text>`;
  });
  return svg;
}

function picture(state: State): string {
  const raster = rasterOf(state);
  if (!raster) throw new Error("The values are still loading.");
  const view = state.view.peek();
  const { x, y } = placeOf(view);
  return `<image x="${round(x(0))}" y="${round(y(0))}" width="${round(raster.width * view.w)}" height="${round(raster.height * view.h)}" preserveAspectRatio="none" style="image-rendering:pixelated" href="${raster.toDataURL()}"/>`;
}

function layerLabels(state: State): string {
  const [view, room, theme] = [state.view.peek(), state.room.peek(), state.theme.peek()];
  const { y } = placeOf(view);
  const [first, end] = shownRange(view.y, room.height / view.h, state.counts.rows);
  const step = stepOf(view.h, 14);
  let svg = `<text x="${GUTTER - 6}" y="${HEADER - 9}" text-anchor="end" fill="${theme.dim}">layer</text>`;
  for (let row = first; row < end; row++) {
    const layer = state.rowOf(row);
    if (row && (layer % step || (step > 1 && row < step))) continue; // the output's name comes first
    svg += `<text x="${GUTTER - 6}" y="${round((y(row) + y(row + 1)) / 2 + 4)}" text-anchor="end" fill="${theme.dim}">${state.lens.layerName(layer)}</text>`;
  }
  return svg;
}

function tokenLabels(state: State): string {
  const [view, room, theme] = [state.view.peek(), state.room.peek(), state.theme.peek()];
  const { x } = placeOf(view);
  const step = hasWords(view) ? 1 : stepOf(view.w, 84);
  const [first, end] = shownRange(view.x, room.width / view.w, state.counts.columns);
  let svg = "";
  for (let column = Math.ceil(first / step) * step; column < end; column += step) {
    const left = x(column) + (step > 1 ? 0 : 4);
    if (left < GUTTER) continue;
    const word = fitted(state.lens.tokens[column]!, step * view.w - 8, (text) => [...text].length * 11 * CHARACTER);
    svg += `<text x="${round(left)}" y="11" font-size="10" fill="${theme.dim}">${column}</text>`;
    svg += `<text x="${round(left)}" y="25" ${MONO}>${xml(word.map(({ text }) => text).join(""))}</text>`;
  }
  return svg;
}

function legend(state: State, top: number): string {
  const scale = state.scale.peek();
  const colour = state.colour.peek();
  const clipped = aboveText(state.clipped.peek());
  const name = `${colourName(state.lens, colour, state.token.peek())}${scale.kind === "log" ? ", log" : ""}${clipped && `, ${clipped}`}; above the line the top token is the output's`;
  const numbers = numbersOf(scale, colour === "rank" ? legendRank : short);
  return legendOf("legend", state.table.peek(), numbers, name, GUTTER, top);
}
