/** The map as an SVG for papers: text as text, cells as rectangles or, where they are many, as a picture. */

import { KEY_LABEL_ANGLE, LABEL_CHARACTERS, LABEL_PITCH, labelPositions, labelStep } from "../core/drawing/axis";
import { cssColour, hexColour, pack } from "../core/drawing/colour";
import { entryOf } from "../core/drawing/scale";
import { type Question, questionFigure } from "../core/elements/question";
import { type Figure, legendOf, MONO, MONO_CHARACTER, numbersOf, round, titled } from "../core/export/figure";
import { xml } from "../core/export/files";
import { aboveText, short } from "../core/format";
import { columns as charactersOf, plain } from "../core/tokens";
import { shownOf, statusOf } from "./cells/cells";
import { type Grid, sumsOf } from "./cells/grid";
import { boundOf, COLUMN_BAR, endsOf, ROW_BAR } from "./cells/margin_sums";
import { dotOf, forShown, notRunTone, PALE } from "./drawing/drawing";
import { type Frame, frameOf, xOf, yOf } from "./drawing/layout";
import { colours, picture, rasterise } from "./drawing/raster";
import type { State } from "./state";

const MOST_RECTANGLES = 8000;
const [WIDTH, HEIGHT] = [720, 420];

export function figure(state: State, title: string, note: string): Figure {
  const grid = state.grid.peek();
  const theme = state.theme.peek();
  const heads = grid.across === "heads";
  const numbered = grid.columns.length >= 40;
  const label = (at: number): string => (numbered ? `${at} ` : "") + plain(grid.columns[at]!.text, LABEL_CHARACTERS);
  const longest = heads
    ? 4
    : Math.max(...grid.columns.map((line) => charactersOf(line.text, LABEL_CHARACTERS))) + (numbered ? 5 : 0);
  const room = {
    left: Math.max(28 + Math.max(...grid.rows.map(({ text }) => text.length)) * 6.5, heads ? 0 : 62),
    top: heads ? 40 : 14 - longest * MONO_CHARACTER * Math.sin(KEY_LABEL_ANGLE),
    right: Math.max(ROW_BAR + 20, longest * MONO_CHARACTER * Math.cos(KEY_LABEL_ANGLE)),
    bottom: heads ? 20 : COLUMN_BAR + 20,
  };
  const frame = frameOf(
    WIDTH + room.left + room.right,
    HEIGHT + room.top + room.bottom,
    room,
    grid.rows.length,
    grid.columns.length,
    state.window.peek(),
    grid.gapBefore,
  );
  const bottom = frame.top + frame.height + room.bottom;
  const parts = [
    cells(state, grid, frame),
    rowLabels(grid, frame),
    columnLabels(grid, frame, label, theme.ink),
    sumBars(state, grid, frame),
    legend(state, frame.left, bottom + 12),
  ];
  const width = Math.max(frame.left + frame.width + room.right, note.length * 5.8, 420);
  const asked = questionFigure(state.model.get("question") as Partial<Question>, width);
  const svg = `${asked.svg}<g transform="translate(0 ${asked.height})">${parts.join("")}</g>`;
  return titled({ width, height: bottom + 48 + asked.height, svg }, title, [note], 36, theme);
}

function cells(state: State, grid: Grid, frame: Frame): string {
  const [effects, scale, table, theme] = [
    state.effects.peek(),
    state.scale.peek(),
    state.table.peek(),
    state.theme.peek(),
  ];
  const clip = `<clipPath id="pm-cells"><rect x="${frame.left}" y="${frame.top}" width="${frame.width}" height="${frame.height}"/></clipPath>`;
  const hatching = `<pattern id="pm-nan" width="6" height="6" patternUnits="userSpaceOnUse"><path d="M0 6 6 0" stroke="${theme.warn}"/></pattern>`;
  const edge = `<rect x="${frame.left - 0.5}" y="${frame.top - 0.5}" width="${round(frame.width + 1)}" height="${round(frame.height + 1)}" fill="none" stroke="${theme.line}"/>`;
  let inside = "";
  if (grid.at.length <= MOST_RECTANGLES) {
    const [width, height] = [
      round(frame.cellWidth - (frame.cellWidth > 7 ? 1 : 0)),
      round(frame.cellHeight - (frame.cellHeight > 7 ? 1 : 0)),
    ];
    const notRun = hexColour(pack(notRunTone(theme)));
    const radius = round(dotOf(frame));
    forShown({ grid, frame }, (cell, x, y) => {
      const status = statusOf(effects, cell);
      const colour =
        status === "exact" || status === "zero" || status === "estimate"
          ? hexColour(table[entryOf(shownOf(effects, cell), scale)]!)
          : status === "none"
            ? notRun
            : "url(#pm-nan)";
      inside += `<rect x="${round(x)}" y="${round(y)}" width="${width}" height="${height}" fill="${colour}"${status === "estimate" ? ` fill-opacity="${PALE}"` : ""}/>`;
      if (status === "estimate")
        inside += `<circle cx="${round(x + frame.cellWidth / 2)}" cy="${round(y + frame.cellHeight / 2)}" r="${radius}" fill="${colour}"/>`;
    });
  } else {
    const raster = rasterise(grid, effects, state.window.peek(), 4 * WIDTH);
    const { solid, pale } = colours(raster, effects, scale, table, pack(notRunTone(theme)));
    const place = `x="${round(xOf(frame, raster.first))}" y="${frame.top}" width="${round(raster.width * raster.per * frame.cellWidth)}" height="${round(frame.height)}" preserveAspectRatio="none" style="image-rendering:pixelated"`;
    const image = (pixels: Uint32Array, opacity: number): string =>
      `<image ${place} opacity="${opacity}" href="${picture(pixels, raster.width, raster.height).toDataURL()}"/>`;
    const undefinedToo = effects.values.some((value) => value === Infinity)
      ? `<rect x="${frame.left}" y="${frame.top}" width="${frame.width}" height="${frame.height}" fill="url(#pm-nan)"/>`
      : "";
    inside = undefinedToo + image(solid, 1) + image(pale, PALE);
  }
  return `${hatching}${clip}<g clip-path="url(#pm-cells)">${inside}</g>${edge}`;
}

function rowLabels(grid: Grid, frame: Frame): string {
  const step = labelStep(frame.cellHeight, LABEL_PITCH);
  const rows = grid.rows.length;
  const middle = frame.top + frame.height / 2;
  return (
    labelPositions(0, rows, rows, step)
      .map((up) => rows - 1 - up)
      .map(
        (row) =>
          `<text x="${frame.left - 6}" y="${round(yOf(frame, row + 0.5) + 4)}" text-anchor="end">${xml(grid.rows[row]!.text)}</text>`,
      )
      .join("") +
    `<text transform="translate(10 ${round(middle)}) rotate(-90)" text-anchor="middle">${grid.down}</text>`
  );
}

function columnLabels(grid: Grid, frame: Frame, label: (at: number) => string, ink: string): string {
  const heads = grid.across === "heads";
  const step = labelStep(frame.cellWidth, heads ? 20 : LABEL_PITCH);
  const wanted = labelPositions(frame.first, frame.span, Math.min(grid.columns.length, grid.gapBefore), step);
  const parts = grid.columns.map((_, at) => at).slice(grid.gapBefore);
  return [...wanted, ...parts]
    .map((at) => {
      const x = round(xOf(frame, at) + frame.cellWidth / 2);
      if (heads && at < grid.gapBefore)
        return `<text x="${x}" y="${frame.top - 6}" text-anchor="middle">${xml(grid.columns[at]!.text)}</text>`;
      return `<text transform="translate(${x} ${frame.top - 6}) rotate(${(KEY_LABEL_ANGLE * 180) / Math.PI})" fill="${ink}" ${heads ? "" : MONO}>${xml(heads ? grid.columns[at]!.text : label(at))}</text>`;
    })
    .join("");
}

function sumBars(state: State, grid: Grid, frame: Frame): string {
  const sums = sumsOf(grid, state.effects.peek());
  if (!sums.rows.some(({ n }) => n)) return "";
  const table = state.table.peek();
  const ink = (sum: number): string => hexColour(table[sum < 0 ? 48 : 207]!);
  const start = frame.left + frame.width + 12;
  const [low, high] = endsOf(sums.rows);
  const unit = ROW_BAR / (high - low || 1);
  const thick = Math.max(0.5, Math.min(12, frame.cellHeight * 0.7));
  const zero = start - low * unit;
  let svg = sums.rows
    .map(
      ({ sum }, row) =>
        `<rect x="${round(Math.min(zero, zero + sum * unit))}" y="${round(yOf(frame, row) + (frame.cellHeight - thick) / 2)}" width="${round(Math.abs(sum * unit))}" height="${round(thick)}" fill="${ink(sum)}"/>`,
    )
    .join("");
  const line = cssColour(pack([128, 128, 128]));
  svg += `<path d="M${round(zero)} ${frame.top}v${round(frame.height)}" stroke="${line}"/><text x="${start + ROW_BAR / 2}" y="${frame.top + frame.height + 15}" text-anchor="middle">sum ${boundOf(sums.rows)}</text>`;
  if (grid.across !== "positions") return svg;
  const [least, most] = endsOf(sums.columns);
  const rise = COLUMN_BAR / (most - least || 1);
  const base = frame.top + frame.height + 12 + most * rise;
  const wide = Math.max(0.5, Math.min(12, frame.cellWidth * 0.7));
  sums.columns.forEach(({ sum }, column) => {
    if (column + 1 <= frame.first || column >= frame.first + frame.span) return;
    svg += `<rect x="${round(xOf(frame, column) + (frame.cellWidth - wide) / 2)}" y="${round(Math.min(base, base - sum * rise))}" width="${round(wide)}" height="${round(Math.abs(sum * rise))}" fill="${ink(sum)}"/>`;
  });
  return `${svg}<path d="M${frame.left} ${round(base)}h${round(frame.width)}" stroke="${line}"/><text x="${frame.left - 6}" y="${round(frame.top + frame.height + 12 + COLUMN_BAR / 2 + 4)}" text-anchor="end">${boundOf(sums.columns)}</text>`;
}

function legend(state: State, left: number, top: number): string {
  const [scale, table, theme, counts] = [
    state.scale.peek(),
    state.table.peek(),
    state.theme.peek(),
    state.counts.peek(),
  ];
  const name = [state.quantity, aboveText(state.clipped.peek())].filter(Boolean).join(", ");
  let x = left + 180 + name.length * 6.5;
  const key = (fill: string, text: string, dot = ""): string => {
    const item = `<rect x="${x}" y="${top - 1}" width="12" height="12" ${fill} stroke="${theme.line}"/>${dot && `<circle cx="${x + 6}" cy="${top + 5}" r="2.5" fill="${dot}"/>`}<text x="${x + 18}" y="${top + 9}">${text}</text>`;
    x += 34 + text.length * 6;
    return item;
  };
  const strong = hexColour(table[207]!);
  const keys = [
    counts.estimate && key(`fill="${strong}" fill-opacity="${PALE}"`, "estimate (gradient)", strong),
    counts.zero && key(`fill="${hexColour(table[entryOf(0, scale)]!)}"`, "0 by construction"),
    counts.none && key(`fill="${hexColour(pack(notRunTone(theme)))}"`, "not run"),
    counts.undefined && key(`fill="url(#pm-nan)"`, "undefined"),
  ];
  return legendOf("pm-legend", table, numbersOf(scale, short), name, left, top) + keys.filter(Boolean).join("");
}
