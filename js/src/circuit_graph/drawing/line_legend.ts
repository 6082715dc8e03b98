/** What the looks of lines mean. */
import { h } from "../../core/elements/dom";
import type { State } from "../state";
import { lookOf, type Sort } from "./edge_lines";

const SVG = "http://www.w3.org/2000/svg";
export const COMPARISON = ["both", "a", "b"] as const;

export function lineKey(state: State, sort: Sort, text: string, title: string): HTMLElement {
  const look = lookOf(
    { from: 0, to: 0, ranks: [], score: 0, sort, path: [0, 0, 0, 0, 0, 0, 0, 0] },
    state.scale.peek(),
    state.table.value,
    state.theme.value,
  );
  const svg = document.createElementNS(SVG, "svg");
  const line = document.createElementNS(SVG, "path");
  for (const [name, value] of Object.entries({ width: 28, height: 8 })) svg.setAttribute(name, String(value));
  for (const [name, value] of Object.entries({
    d: "M0 4h28",
    stroke: look.colour,
    "stroke-width": look.width,
    "stroke-dasharray": look.dash.join(" "),
  }))
    line.setAttribute(name, String(value));
  svg.append(line);
  const item = h("span", { class: "cg-key", title });
  item.append(svg, text);
  return item;
}
