/** Draws the cells of a map with their marks. */
import { cssColour, mix, pack, type Table } from "../../core/drawing/colour";
import { hatching } from "../../core/drawing/hatching";
import { entryOf, type Scale } from "../../core/drawing/scale";
import { type Rgb, rgbOf, type Theme } from "../../core/elements/theme";
import { type Effects, shownOf, statusOf } from "../cells/cells";
import type { Grid } from "../cells/grid";
import { type Frame, xOf, yOf } from "./layout";
import { colours, picture, type Raster } from "./raster";

/** From so many pixels on there are gaps between cells and corners of clipped ones; from so many, lines in the gaps. */
const [GAPPED, LINED] = [7, 14];
/** Below this an estimate has no dot, only its paleness. */
const DOTTED = 4;
export const PALE = 0.45;

/** The tone of what was not run: no effect could have it. */
export function notRunTone({ ink, groundRgb, dark }: Theme): Rgb {
  return mix(groundRgb, rgbOf(ink) ?? [128, 128, 128], dark ? 0.16 : 0.11);
}

export interface Picture {
  grid: Grid;
  effects: Effects;
  raster: Raster;
  frame: Frame;
  scale: Scale;
  table: Table;
  theme: Theme;
}

export function drawCells(pen: CanvasRenderingContext2D, shown: Picture): void {
  const { raster, effects, frame, scale, table, theme } = shown;
  pen.save();
  pen.beginPath();
  pen.rect(frame.left, frame.top, frame.width, frame.height);
  pen.clip();
  pen.imageSmoothingEnabled = false;
  const { solid, pale } = colours(raster, effects, scale, table, pack(notRunTone(theme)));
  const blocks = blocksOf(raster, frame);
  const stamp = (pixels: Uint32Array): void => {
    const image = picture(pixels, raster.width, raster.height);
    for (const { from, to, x, width } of blocks)
      pen.drawImage(image, from, 0, to - from, raster.height, x, frame.top, width, frame.height);
  };
  stamp(solid);
  pen.globalAlpha = PALE;
  stamp(pale);
  pen.globalAlpha = 1;
  hatch(pen, shown, blocks);
  const cells = raster.per === 1;
  if (cells && Math.min(frame.cellWidth, frame.cellHeight) >= DOTTED) drawDots(pen, shown);
  if (cells && Math.min(frame.cellWidth, frame.cellHeight) >= GAPPED) {
    drawLines(pen, shown);
    drawClipped(pen, shown);
  }
  pen.restore();
  pen.strokeStyle = theme.line;
  for (const { x, width } of blocks) pen.strokeRect(x - 0.5, frame.top - 0.5, width + 1, frame.height + 1);
}

interface Block {
  from: number;
  to: number;
  x: number;
  width: number;
}

/** The pixels of a raster before and after the gap, and where they go. */
function blocksOf({ first, per, width }: Raster, frame: Frame): Block[] {
  const cut = Math.round((frame.gapBefore - first) / per);
  const ends = frame.gap && cut > 0 && cut < width ? [0, cut, width] : [0, width];
  return ends.slice(1).map((to, i) => {
    const from = ends[i]!;
    const x = xOf(frame, first + from * per);
    return { from, to, x, width: (to - from) * per * frame.cellWidth };
  });
}

/** Lines through what is undefined. */
function hatch(pen: CanvasRenderingContext2D, { raster, effects, frame, theme }: Picture, blocks: Block[]): void {
  pen.beginPath();
  let any = false;
  for (let row = 0; row < raster.height; row++)
    for (const { from, to, x, width } of blocks) {
      const pixel = width / (to - from);
      for (let i = from; i < to; i++) {
        const cell = raster.cells[row * raster.width + i]!;
        if (cell < 0 || statusOf(effects, cell) !== "undefined") continue;
        any = true;
        pen.rect(x + (i - from) * pixel, yOf(frame, row), pixel, frame.cellHeight);
      }
    }
  if (!any) return;
  pen.fillStyle = hatching(pen, theme);
  pen.fill();
}

/** Visit the cells on show. */
export function forShown(
  { grid, frame }: Pick<Picture, "grid" | "frame">,
  visit: (cell: number, x: number, y: number) => void,
): void {
  const last = Math.min(grid.columns.length, Math.ceil(frame.first + frame.span));
  for (let row = 0; row < grid.rows.length; row++)
    for (let column = Math.floor(frame.first); column < last; column++) {
      const cell = grid.at[row * grid.columns.length + column]!;
      if (cell >= 0) visit(cell, xOf(frame, column), yOf(frame, row));
    }
}

/** The radius of an estimate's dot. */
export const dotOf = ({ cellWidth, cellHeight }: Frame): number => Math.min(4, 0.2 * Math.min(cellWidth, cellHeight));

/** An estimate is a dot in its colour on its paler tone. */
function drawDots(pen: CanvasRenderingContext2D, shown: Picture): void {
  const { effects, frame, scale, table } = shown;
  const radius = dotOf(frame);
  forShown(shown, (cell, x, y) => {
    if (statusOf(effects, cell) !== "estimate") return;
    const [middle, centre] = [x + frame.cellWidth / 2, y + frame.cellHeight / 2];
    pen.fillStyle = cssColour(table[entryOf(effects.estimates![cell]!, scale)]!);
    if (radius < 1.6) pen.fillRect(middle - radius, centre - radius, 2 * radius, 2 * radius);
    else {
      pen.beginPath();
      pen.arc(middle, centre, radius, 0, 7);
      pen.fill();
    }
  });
}

function drawLines(pen: CanvasRenderingContext2D, { grid, frame, theme }: Picture): void {
  const last = Math.min(grid.columns.length, Math.ceil(frame.first + frame.span));
  const lined = Math.min(frame.cellWidth, frame.cellHeight) >= LINED;
  for (const ink of lined ? [theme.ground, theme.line] : [theme.ground]) {
    pen.fillStyle = ink;
    for (let column = Math.max(1, Math.ceil(frame.first)); column < last; column++)
      pen.fillRect(xOf(frame, column) - 1, frame.top, 1, frame.height);
    for (let row = 1; row < grid.rows.length; row++) pen.fillRect(frame.left, yOf(frame, row) - 1, frame.width, 1);
  }
  if (frame.gap) pen.clearRect(xOf(frame, frame.gapBefore) - frame.gap, frame.top, frame.gap, frame.height);
}

/** A corner cut from each cell beyond the limits. */
function drawClipped(pen: CanvasRenderingContext2D, shown: Picture): void {
  const { effects, frame, scale, theme } = shown;
  const corner = Math.max(4, 0.3 * Math.min(frame.cellWidth, frame.cellHeight));
  pen.fillStyle = theme.ground;
  pen.beginPath();
  forShown(shown, (cell, x, y) => {
    if (!(Math.abs(shownOf(effects, cell)) > scale.high)) return;
    const right = x + frame.cellWidth - 1;
    pen.moveTo(right - corner, y);
    pen.lineTo(right, y);
    pen.lineTo(right, y + corner);
  });
  pen.fill();
}

/** Where a cell stands; undefined when it is not on show. */
export function placeIn(grid: Grid, frame: Frame, cell: number | undefined): { x: number; y: number } | undefined {
  const at = cell === undefined ? -1 : grid.at.indexOf(cell);
  if (at < 0) return undefined;
  const column = at % grid.columns.length;
  if (column + 1 <= frame.first || column >= frame.first + frame.span) return undefined;
  return { x: xOf(frame, column), y: yOf(frame, Math.floor(at / grid.columns.length)) };
}

/** A frame around a cell, with a line of ground within so that it stands out from any colour. */
export function outline(
  pen: CanvasRenderingContext2D,
  x: number,
  y: number,
  frame: Frame,
  ink: string,
  ground: string,
): void {
  const [width, height] = [Math.max(frame.cellWidth, 4), Math.max(frame.cellHeight, 4)];
  pen.lineWidth = 1;
  if (Math.min(width, height) >= 8) {
    pen.strokeStyle = ground;
    pen.strokeRect(x + 1.5, y + 1.5, width - 4, height - 4);
  }
  pen.strokeStyle = ink;
  pen.lineWidth = 2;
  pen.strokeRect(x - 0.5, y - 0.5, width, height);
}
