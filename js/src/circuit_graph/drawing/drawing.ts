/** Draws a scene on canvases: edges, nodes, and the numbers of layers and heads. */
import { labelPositions, labelStep } from "../../core/drawing/axis";
import { classHue, type Table } from "../../core/drawing/colour";
import type { Scale } from "../../core/drawing/scale";
import type { Theme } from "../../core/elements/theme";
import type { Graph } from "../circuit/graph";
import { type Curve, keyOf, lookOf } from "./edge_lines";
import { classLetter, placedLabels, ROOMY } from "./labels";
import { type Frame, GUTTER } from "./layout";
import { boxText, type Mark, type Scene } from "./scene";

type Pen = CanvasRenderingContext2D;

/** More dashed curves than this take longer than a frame where no GPU draws them. */
const MOST_DASHED = 300;

/**
 * The weakest first, so that the strongest lie above; those of one look in one stroke. While something moves, many curves
 * are drawn without dashes.
 */
export function drawCurves(
  pen: Pen,
  curves: readonly Curve[],
  scale: Scale,
  table: Table,
  theme: Theme,
  { wider = 0, moving = false } = {},
): void {
  const dashed = !moving || curves.length <= MOST_DASHED;
  const bundles = new Map<number, Curve[]>();
  for (const curve of curves) {
    const key = keyOf(curve, scale);
    const bundle = bundles.get(key);
    if (bundle) bundle.push(curve);
    else bundles.set(key, [curve]);
  }
  for (const key of [...bundles.keys()].sort((one, other) => one - other)) {
    const bundle = bundles.get(key)!;
    const { colour, width, dash } = lookOf(bundle[0]!, scale, table, theme);
    pen.strokeStyle = colour;
    pen.lineWidth = width + wider;
    pen.setLineDash(dashed ? dash : []);
    pen.beginPath();
    for (const {
      path: [x0, y0, x1, y1, x2, y2, x3, y3],
    } of bundle) {
      pen.moveTo(x0, y0);
      pen.bezierCurveTo(x1, y1, x2, y2, x3, y3);
    }
    pen.stroke();
  }
  pen.setLineDash([]);
}

export function drawBrackets(pen: Pen, { brackets }: Scene, theme: Theme): void {
  pen.strokeStyle = theme.dim;
  pen.globalAlpha = 0.45;
  pen.lineWidth = 1;
  pen.beginPath();
  for (const { x, y, half } of brackets) {
    pen.moveTo(x - half, y - 3);
    pen.lineTo(x - half, y);
    pen.lineTo(x + half, y);
    pen.lineTo(x + half, y - 3);
  }
  pen.stroke();
  pen.globalAlpha = 1;
}

export interface Marked {
  selected: ReadonlySet<string>;
  /** What is drawn at full strength while something is pointed at; undefined: everything. */
  lit: ReadonlySet<number> | undefined;
  labels: ReadonlyMap<string, string>;
}

export function drawMarks(pen: Pen, graph: Graph, scene: Scene, theme: Theme, { selected, lit, labels }: Marked): void {
  pen.textBaseline = "middle";
  pen.textAlign = "center";
  // Boxes lie above, for what is in them must be read.
  const above = (mark: Mark | undefined): number => (mark?.unit.kind === "group" ? 1 : 0);
  const order = scene.marks.map((mark, at) => ({ mark, at })).sort((one, other) => above(one.mark) - above(other.mark));
  order.forEach(({ mark, at }) => {
    if (!mark) return;
    const chosen = selected.has(mark.unit.key);
    pen.globalAlpha = !lit || lit.has(at) || chosen ? 1 : 0.35;
    drawMark(pen, graph, mark, theme, labels.get(mark.unit.key), chosen);
  });
  pen.globalAlpha = 1;
  pen.font = `11px ${theme.font}`;
  pen.textAlign = "left";
  pen.lineWidth = 3;
  pen.lineJoin = "round";
  pen.strokeStyle = theme.ground;
  for (const { text, x, y } of placedLabels(scene, labels, (words) => pen.measureText(words).width)) {
    pen.strokeText(text, x, y);
    pen.fillStyle = theme.ink;
    pen.fillText(text, x, y);
  }
}

/** What a node's circle says: the letter of its class or, where there is room, its head. */
export function innerText(graph: Graph, { unit, state, w }: Mark, label: string | undefined): string {
  if (unit.kind === "mlp") return "";
  if (unit.kind !== "head") return boxText(unit);
  return state === "out" || w < ROOMY ? "" : (classLetter(label) ?? String(graph.nodes[unit.nodes[0]!]!.head));
}

function drawMark(pen: Pen, graph: Graph, mark: Mark, theme: Theme, label: string | undefined, chosen: boolean): void {
  const { unit, x, y, w, h, state } = mark;
  const boxed = unit.kind !== "head" && unit.kind !== "mlp";
  if (state === "out" && !boxed && !chosen) {
    pen.globalAlpha *= 0.5;
    pen.fillStyle = theme.dim;
    outline(pen, mark, 0);
    pen.fill();
    return;
  }
  const letter = unit.kind === "head" ? classLetter(label) : undefined;
  outline(pen, mark, 0);
  pen.fillStyle = theme.ground;
  pen.fill();
  if (state !== "removed") {
    pen.fillStyle = letter && state === "in" ? classHue(letter, theme.dark) : theme.line;
    pen.fill();
  }
  pen.strokeStyle = state === "in" ? theme.ink : theme.dim;
  pen.lineWidth = 1;
  pen.setLineDash(state === "removed" ? [2, 2] : []);
  pen.stroke();
  pen.setLineDash([]);
  if (state === "removed") {
    pen.beginPath();
    pen.moveTo(x - w, y + h);
    pen.lineTo(x + w, y - h);
    pen.stroke();
  }
  if (chosen) {
    outline(pen, mark, 3);
    pen.strokeStyle = theme.select;
    pen.lineWidth = 2;
    pen.stroke();
  }
  if (unit.pinned) {
    pen.fillStyle = theme.accent;
    pen.beginPath();
    pen.arc(x + w * 0.9, y - h * 0.9, 2.5, 0, 7);
    pen.fill();
  }
  const text = innerText(graph, mark, label);
  if (!text || state === "removed") return;
  pen.font = `${letter ? "600 " : ""}${boxed ? 11 : Math.min(11, Math.round(w * 1.25))}px ${theme.font}`;
  pen.fillStyle = letter && state === "in" ? theme.ground : state === "out" ? theme.dim : theme.ink;
  pen.fillText(text, x, y + 0.5);
}

function outline(pen: Pen, { unit, x, y, w, h }: Mark, more: number): void {
  pen.beginPath();
  if (unit.kind === "head") pen.arc(x, y, w + more, 0, 2 * Math.PI);
  else if (unit.kind === "mlp") pen.rect(x - w - more, y - h - more, 2 * (w + more), 2 * (h + more));
  else pen.roundRect(x - w - more, y - h - more, 2 * (w + more), 2 * (h + more), 3);
}

export interface AxisLabel {
  text: string;
  x: number;
  y: number;
  align: "right" | "center";
}

/** Numbers of the layers at the left and of the heads below. */
export function axisLabels(graph: Graph, frame: Frame): AxisLabel[] {
  const { layers, heads } = graph.shape;
  const left = Math.max(GUTTER - 6, frame.x(0) - frame.radius.most - 14);
  const below = frame.y(-1) + 20;
  const rows = labelPositions(0, layers, layers, labelStep(frame.rise));
  const columns = labelPositions(0, heads, heads, labelStep(frame.pitch, 18));
  // Where latents are nodes columns are those of heads only if there are heads.
  const kinds = new Set(graph.nodes.map(({ kind }) => kind));
  const beside = (graph.shape.columns ?? heads) + 0.3;
  if (graph.shape.columns !== undefined && !kinds.has("head"))
    return [
      ...rows.map((row) => ({ text: String(row), x: left, y: frame.y(row), align: "right" as const })),
      ...(kinds.has("mlp") ? [{ text: "MLP", x: frame.x(beside), y: below, align: "center" as const }] : []),
    ];
  return [
    ...rows.map((row) => ({ text: String(row), x: left, y: frame.y(row), align: "right" as const })),
    ...columns.map((column) => ({ text: String(column), x: frame.x(column), y: below, align: "center" as const })),
    { text: "MLP", x: frame.x(beside), y: below, align: "center" },
    { text: "head", x: left, y: below, align: "right" },
  ];
}

export function drawAxes(pen: Pen, graph: Graph, frame: Frame, theme: Theme): void {
  pen.font = `11px ${theme.font}`;
  pen.textBaseline = "middle";
  pen.fillStyle = theme.dim;
  for (const { text, x, y, align } of axisLabels(graph, frame)) {
    pen.textAlign = align;
    pen.fillText(text, x, y);
  }
  const labels = axisLabels(graph, frame);
  const middle = (frame.y(0) + frame.y(graph.shape.layers - 1)) / 2;
  pen.save();
  pen.translate(labels[0]!.x - 24, middle);
  pen.rotate(-Math.PI / 2);
  pen.textAlign = "center";
  pen.fillText("layer", 0, 0);
  pen.restore();
}
