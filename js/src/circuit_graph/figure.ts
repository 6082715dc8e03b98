/** The graph as an SVG for papers: curves as paths, text as text. */

import { classHue } from "../core/drawing/colour";
import { type Question, questionFigure } from "../core/elements/question";
import type { Theme } from "../core/elements/theme";
import { type Figure, hex, legendOf, round as tenth, titled } from "../core/export/figure";
import { xml } from "../core/export/files";
import { aboveText, count, counted, share, significant } from "../core/format";
import type { Scores } from "./circuit/scores";
import { axisLabels, innerText } from "./drawing/drawing";
import { keyOf, lookOf, type Sort } from "./drawing/edge_lines";
import { classLetter, placedLabels } from "./drawing/labels";
import type { Mark } from "./drawing/scene";
import { intervalOf, randomWords, undrawnWords } from "./panel/readout";
import type { State } from "./state";

const HEAD = 60;
const LEGEND = 44;

/** To a tenth: thousands of curves make a long file. */
const round = (value: number): number => tenth(value, 1);

export function figure(state: State, scores: Scores, title: string): Figure {
  const scene = state.scene.peek();
  const theme = state.theme.peek();
  const { width, height } = scene.frame;
  const { kept, removed, added } = state.edits.peek();
  const changed = [removed.length && `${removed.length} taken out`, added.length && `${added.length} put in`]
    .filter(Boolean)
    .join(", ");
  const note = `${count(state.size.peek())} of ${counted(state.edges.count, "edge")} (${share(state.size.peek(), state.edges.count)})${kept === null ? "" : ", the strongest"}${changed ? `; by hand ${changed}` : ""}. ${undrawnWords(state)}`;
  const svg = `${curves(state)}${brackets(state)}${axes(state)}${marks(state)}${labels(state)}<g transform="translate(0 ${height})">${legend(state)}</g>`;
  const asked = questionFigure(state.model.get("question") as Partial<Question>, width);
  const content = `${asked.svg}<g transform="translate(0 ${asked.height})">${svg}</g>`;
  const size = { width, height: height + LEGEND + asked.height };
  return titled({ ...size, svg: content }, title, [note, origin(state, scores)], HEAD, theme);
}

/** How it was found and what it does: a figure travels without its notebook. */
function origin({ model, metric }: State, { known, current, compared }: Scores): string {
  const facts = new Map(model.get("facts") as [string, string][]);
  const measured = current.peek() ? known.peek()?.measured : undefined;
  const beside = compared.peek();
  const random = beside ? randomWords(beside) : "";
  const does =
    measured && typeof measured.faithfulness === "number"
      ? ` Faithfulness ${significant(measured.faithfulness)}${intervalOf(measured)}${measured.metric === null ? "" : `, ${metric} ${significant(measured.metric)}`}${measured.full === null ? "" : `, whole model ${significant(measured.full)}`}, on ${measured.pairs}${random && `; ${random}`}.`
      : "";
  return `Scores: ${facts.get("method")}, ${facts.get("scores")}. Ablation: ${facts.get("ablation")}.${does}`;
}

function curves(state: State): string {
  const scale = state.scale.peek();
  const sorted = state.scene
    .peek()
    .curves.map((curve) => ({ curve, key: keyOf(curve, scale) }))
    .sort((one, other) => one.key - other.key);
  const paths = sorted.map(({ curve }) => {
    const { colour, width, dash } = lookOf(curve, scale, state.table.peek(), state.theme.peek());
    const [x0, y0, x1, y1, x2, y2, x3, y3] = curve.path.map(round);
    return `<path d="M${x0} ${y0}C${x1} ${y1} ${x2} ${y2} ${x3} ${y3}" stroke="${hex(colour)}" stroke-width="${round(width)}"${dash.length ? ` stroke-dasharray="${dash.join(" ")}"` : ""}/>`;
  });
  return `<g fill="none">${paths.join("")}</g>`;
}

function brackets(state: State): string {
  const paths = state.scene
    .peek()
    .brackets.map(({ x, y, half }) => `M${round(x - half)} ${round(y - 3)}v3h${round(2 * half)}v-3`);
  return paths.length
    ? `<path d="${paths.join("")}" fill="none" stroke="${hex(state.theme.peek().dim)}" stroke-opacity=".45"/>`
    : "";
}

function axes(state: State): string {
  const ink = hex(state.theme.peek().dim);
  const anchors = { right: "end", center: "middle" };
  return axisLabels(state.graph, state.scene.peek().frame)
    .map(
      ({ text, x, y, align }) =>
        `<text x="${round(x)}" y="${round(y + 4)}" text-anchor="${anchors[align]}" fill="${ink}">${xml(text)}</text>`,
    )
    .join("");
}

function marks(state: State): string {
  const theme = state.theme.peek();
  const given = state.edits.peek().labels;
  return state.scene
    .peek()
    .marks.map((mark) => (mark ? markSvg(state, mark, given.get(mark.unit.key), theme) : ""))
    .join("");
}

function markSvg(state: State, mark: Mark, label: string | undefined, theme: Theme): string {
  const { unit, x, y, w, h, state: status } = mark;
  const boxed = unit.kind !== "head" && unit.kind !== "mlp";
  const letter = unit.kind === "head" ? classLetter(label) : undefined;
  const faint = status === "out" && !boxed;
  const hued = letter !== undefined && status === "in";
  const fill = hued ? classHue(letter, theme.dark) : hex(theme.ink);
  const paint = `fill="${fill}" fill-opacity="${hued ? 1 : status === "removed" ? 0 : 0.12}"`;
  const stroke = faint
    ? ""
    : `stroke="${hex(status === "in" ? theme.ink : theme.dim)}"${status === "removed" ? ' stroke-dasharray="2 2"' : ""}`;
  const shape = (style: string): string =>
    unit.kind === "head"
      ? `<circle cx="${round(x)}" cy="${round(y)}" r="${round(w)}" ${style}/>`
      : `<rect x="${round(x - w)}" y="${round(y - h)}" width="${round(2 * w)}" height="${round(2 * h)}"${boxed ? ' rx="3"' : ""} ${style}/>`;
  const text = status === "removed" ? "" : innerText(state.graph, mark, label);
  const ink = hued ? theme.ground : status === "out" ? theme.dim : theme.ink;
  const size = boxed ? 11 : Math.min(11, Math.round(w * 1.25));
  const strike =
    status === "removed"
      ? `<path d="M${round(x - w)} ${round(y + h)}L${round(x + w)} ${round(y - h)}" stroke="${hex(theme.dim)}" stroke-dasharray="2 2"/>`
      : "";
  return (
    (faint ? "" : shape(`fill="${hex(theme.ground)}"`)) +
    shape(`${paint} ${stroke}`) +
    strike +
    (text &&
      `<text x="${round(x)}" y="${round(y + size * 0.36)}" text-anchor="middle" font-size="${size}" fill="${hex(ink)}"${letter ? ' font-weight="600"' : ""}>${xml(text)}</text>`)
  );
}

function labels(state: State): string {
  const theme = state.theme.peek();
  const pen = document.createElement("canvas").getContext("2d")!;
  pen.font = `11px ${theme.font}`;
  return placedLabels(state.scene.peek(), state.edits.peek().labels, (text) => pen.measureText(text).width)
    .map(
      ({ text, x, y }) =>
        `<text x="${round(x)}" y="${round(y + 4)}" stroke="${hex(theme.ground)}" stroke-width="3" paint-order="stroke">${xml(text)}</text>`,
    )
    .join("");
}

function legend(state: State): string {
  const [scale, table, theme] = [state.scale.peek(), state.table.peek(), state.theme.peek()];
  const there = new Set(state.scene.peek().curves.map(({ sort }) => sort));
  const parts: string[] = [];
  let x = 0;
  if (there.has("scored")) {
    const numbers = [-scale.high, 0, scale.high].map(significant) as [string, string, string];
    const name = ["score", aboveText(state.clipped.peek())].filter(Boolean).join(", ");
    parts.push(legendOf("cg-legend", table, numbers, name, 10, 7));
    x = 200 + 6 * name.length;
  }
  const words: Partial<Record<Sort, string>> = {
    both: "in both",
    a: "only A",
    b: "only B",
    unscored: "not scored",
    removed: "taken out",
  };
  for (const [sort, text] of Object.entries(words) as [Sort, string][]) {
    if (!there.has(sort)) continue;
    const { colour, width, dash } = lookOf(
      { from: 0, to: 0, ranks: [], score: 0, sort, path: [0, 0, 0, 0, 0, 0, 0, 0] },
      scale,
      table,
      theme,
    );
    parts.push(
      `<path d="M${x} 12h28" stroke="${hex(colour)}" stroke-width="${width}" stroke-dasharray="${dash.join(" ")}"/><text x="${x + 34}" y="16">${text}</text>`,
    );
    x += 50 + text.length * 6;
  }
  return parts.join("");
}
