/** Draws the map of parts and the running total, with a pen for the screen or for a file. */
import { LABEL_PITCH, labelStep } from "../core/drawing/axis";
import { cssColour, type Table } from "../core/drawing/colour";
import { entryOf, type Scale } from "../core/drawing/scale";
import type { Theme } from "../core/elements/theme";
import { round } from "../core/export/figure";
import { short, signed, steady } from "../core/format";
import type { Pen } from "./canvas_or_svg";
import type { Parts, Row } from "./components";
import { type Axis, along, barOf, bottomOf, cellOf, type Frame, xOf, yOf } from "./layout";

/** From so many pixels on there are gaps between cells, corners of clipped ones, lines around them. */
const [GAPPED, LINED] = [7, 14];
const PALE = 0.4;
const SLANT = -Math.PI / 2.8;

export interface Look {
  scale: Scale;
  table: Table;
  theme: Theme;
}

export function drawMap(pen: Pen, parts: Parts, frame: Frame, { scale, table, theme }: Look): void {
  const { cellWidth, rowHeight } = frame;
  const small = Math.min(cellWidth, rowHeight);
  const gap = small >= GAPPED ? 1 : 0;
  const layers = parts.rows.map(({ layer }, row) => ({ layer, row })).filter(({ layer }) => layer !== undefined);
  for (const { row } of layers)
    for (let column = 0; column < frame.columns; column++) {
      const part = parts.part(row, column);
      if (!part) continue;
      const [x, y, w, h] = cellOf(frame, row, column);
      const [width, height] = [w - gap, h - gap];
      if (Number.isNaN(part.value)) {
        pen.hatch(x, y, width, height);
        continue;
      }
      pen.rect(x, y, width, height, cssColour(table[entryOf(part.value, scale)]!));
      if (gap && Math.abs(part.value) > scale.high * (1 + 1e-9)) {
        const size = Math.min(6, small / 2);
        pen.line(`M${x + width - size} ${y}h${size}v${size}`, { stroke: theme.ground, width: 1.5 });
      }
    }
  if (!layers.length) return;
  const [first, last] = [layers[0]!.row, layers.at(-1)!.row];
  const height = (last - first + 1) * rowHeight;
  const blocks = frame.gap
    ? [
        [0, frame.heads],
        [frame.heads, frame.columns],
      ]
    : [[0, frame.columns]];
  for (const [from, to] of blocks) {
    const x = xOf(frame, from!);
    const width = (to! - from!) * cellWidth;
    if (small >= LINED) {
      for (let row = first + 1; row <= last; row++)
        pen.line(`M${round(x)} ${round(yOf(frame, row) - 0.5)}h${round(width)}`, { stroke: theme.line });
      for (let column = from! + 1; column < to!; column++)
        pen.line(`M${round(xOf(frame, column) - 0.5)} ${round(yOf(frame, first))}v${round(height)}`, {
          stroke: theme.line,
        });
    }
    pen.line(
      `M${round(x - 0.5)} ${round(yOf(frame, first) - 0.5)}h${round(width + 0.5)}v${round(height + 0.5)}h${round(-width - 0.5)}z`,
      { stroke: theme.line },
    );
  }
}

/** Names of rows and columns; those of `pinned` in the accent's colour, whatever else is drawn. */
export function drawLabels(
  pen: Pen,
  parts: Parts,
  frame: Frame,
  theme: Theme,
  measure: (text: string) => number,
  pinned?: { row: number; column: number },
): void {
  const ink = (at: number | undefined, here: number): string => (at === here ? theme.accent : theme.dim);
  const step = labelStep(frame.rowHeight, LABEL_PITCH);
  const embedding = parts.rows.length - 1;
  const taken: number[] = [];
  const wanted = [
    ...(pinned ? [pinned.row] : []),
    embedding,
    ...(parts.rows[0]!.layer === undefined ? [0] : []),
    ...parts.rows.flatMap(({ layer }, row) => (layer !== undefined && layer % step === 0 ? [row] : [])),
  ];
  for (const row of wanted) {
    if (taken.some((other) => Math.abs(other - row) * frame.rowHeight < LABEL_PITCH)) continue;
    taken.push(row);
    const y = yOf(frame, row) + frame.rowHeight / 2;
    pen.text(frame.left - 6, y, parts.rows[row]!.label, { anchor: "end", ink: ink(pinned?.row, row) });
  }
  const above = frame.top - 9;
  const pitch = Math.max(14, measure(String(frame.heads)) + 6);
  const every = labelStep(frame.cellWidth, pitch);
  const heads = [...(pinned && pinned.column < frame.heads ? [pinned.column] : [])];
  for (let head = 0; head < frame.heads; head += every) heads.push(head);
  const shown: number[] = [];
  for (const head of heads) {
    if (shown.some((other) => other !== head && Math.abs(other - head) * frame.cellWidth < pitch)) continue;
    if (shown.includes(head)) continue;
    shown.push(head);
    const x = xOf(frame, head) + frame.cellWidth / 2;
    pen.text(x, above, String(head), { anchor: "middle", ink: ink(pinned?.column, head) });
  }
  if (frame.heads > 1) pen.text(frame.left - 6, above, "head", { anchor: "end", ink: theme.dim });
  const others = parts.columns.map((_, column) => column).slice(frame.heads);
  const slanted = others.some((column) => measure(parts.columns[column]!.label) > frame.cellWidth + 4);
  let last = -Infinity;
  for (const column of others) {
    last = Math.max(xOf(frame, column) + frame.cellWidth / 2, last + (slanted ? LABEL_PITCH : 0));
    pen.text(last, slanted ? above + 4 : above, parts.columns[column]!.label, {
      anchor: slanted ? "start" : "middle",
      ink: ink(pinned?.column, column),
      turned: slanted ? SLANT : 0,
    });
  }
}

/** What stands pale where a row has several steps: all but what attention writes. */
export const isPale = (part: string): boolean => part === "mlp" || part === "beside";

export function drawTotal(
  pen: Pen,
  parts: Parts,
  frame: Frame,
  axis: Axis,
  theme: Theme,
  measure: (text: string) => number,
): void {
  const [top, bottom] = [frame.top, bottomOf(frame)];
  const x = (value: number): number => round(along(frame, axis, value));
  for (const tick of axis.ticks) {
    pen.line(`M${x(tick)} ${top}V${bottom}`, { stroke: tick ? theme.line : theme.dim });
    pen.text(x(tick), bottom + 10, short(tick), { anchor: "middle", ink: theme.dim });
  }
  pen.text(frame.total.left + frame.total.width / 2, bottom + 23, "running total, logits", {
    anchor: "middle",
    ink: theme.dim,
  });
  let joined = "";
  const many = frame.rows * 2 > 400;
  [...parts.rows.keys()].reverse().forEach((row) =>
    parts.rows[row]!.steps.forEach(({ part, before, after, value }, step, steps) => {
      const bar = barOf(frame, row, step, steps.length);
      const [from, to] = [Math.min(x(before), x(after)), Math.max(x(before), x(after))];
      const fill = value < 0 ? theme.negative : theme.positive;
      const pale = isPale(part) && steps.length > 1;
      pen.rect(from, bar.top, Math.max(1, to - from), bar.height, fill, pale ? PALE : 1);
      if (pale && bar.height >= 4 && to - from >= 3)
        pen.line(
          `M${round(from + 0.5)} ${round(bar.top + 0.5)}h${round(to - from - 1)}v${round(bar.height - 1)}h${round(1 - to + from)}z`,
          { stroke: fill },
        );
      if (!many) joined += `M${x(after)} ${round(bar.top + bar.height)}V${round(bar.top - 1)}`;
    }),
  );
  if (joined) pen.line(joined, { stroke: theme.dim });
  const end = x(parts.whole);
  pen.line(`M${end} ${top - 4}V${bottom}`, { stroke: theme.ink, dashed: true });
  const name = `sum ${signed(parts.whole, steady)}`;
  const half = measure(name) / 2 + 4;
  const middle = Math.max(frame.total.left + half, Math.min(frame.right - 40 - half, end));
  pen.text(middle, top - 12, name, { anchor: "middle", ink: theme.ink, strong: true });
  drawNumbers(pen, parts.rows, frame, theme);
}

/** What each row adds, beside it. */
function drawNumbers(pen: Pen, rows: readonly Row[], frame: Frame, theme: Theme): void {
  const step = labelStep(frame.rowHeight, LABEL_PITCH);
  rows.forEach(({ layer, steps }, row) => {
    if (layer === undefined ? frame.rowHeight < LABEL_PITCH && row > 0 && row < rows.length - 1 : layer % step) return;
    if (layer !== undefined && step > 1 && (rows.length - 1 - row) * frame.rowHeight < LABEL_PITCH) return;
    if (!steps.length) return;
    const value = steps.reduce((sum, one) => sum + one.value, 0);
    const y = yOf(frame, row) + frame.rowHeight / 2;
    pen.text(
      frame.right,
      y,
      signed(value, (size) => size.toFixed(2)),
      { anchor: "end", ink: theme.dim },
    );
  });
  pen.text(frame.right, frame.top - 9, "adds", { anchor: "end", ink: theme.dim });
}
