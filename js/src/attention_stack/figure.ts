/** The stack as an SVG for papers, as it is looked at: a picture a slice, from the back to the front. */
import { type Figure, hex, legendOf, numbersOf, round, titled } from "../core/export/figure";
import { short } from "../core/format";
import { hiddenText } from "./hidden_text";
import { sceneOf } from "./scene";
import { sliceNames } from "./slice_names";
import { edgeOf, picturesOf } from "./slices";
import type { State } from "./state";

const [WIDTH, HEIGHT] = [680, 480];

export function figure(state: State, title: string): Figure {
  const theme = state.theme.peek();
  const scene = sceneOf(state.shape, state.pose.peek(), WIDTH, HEIGHT);
  const { cells, ready } = state.slices.peek();
  const scale = state.scale.peek();
  const table = state.table.peek();
  const { side } = state;
  const all = picturesOf()({ cells, ready, side, scene, scale, table, marks: new Uint8Array(0), edges: [] });
  const one = document.createElement("canvas");
  one.width = one.height = side;
  const pen = one.getContext("2d")!;
  const selected = new Set(state.heads.peek().map((head) => state.sliceOf(head)));
  const svg: string[] = [
    `<clipPath id="as-clip"><rect width="${WIDTH}" height="${HEIGHT}"/></clipPath><g clip-path="url(#as-clip)">`,
  ];
  for (let slice = ready * state.shape.heads - 1; slice >= 0; slice--) {
    pen.clearRect(0, 0, side, side);
    pen.drawImage(all, 0, slice * side, side, side, 0, 0, side, side);
    const [a, b, d] = [scene.ux / side, scene.uy / side, scene.vy / side];
    const matrix = [a, b, 0, d, scene.xs[slice]!, scene.ys[slice]!].map((value) => round(value, 4)).join(" ");
    svg.push(
      `<image transform="matrix(${matrix})" width="${side}" height="${side}" style="image-rendering:pixelated" href="${one.toDataURL()}"/>`,
    );
    const corners = edgeOf(scene, slice, side).map((corner) => corner.map((at) => round(at)).join(" "));
    const edge = selected.has(slice)
      ? `stroke="${hex(theme.select)}" stroke-width="2"`
      : `stroke="${hex(theme.ink)}" stroke-opacity=".2"`;
    svg.push(`<path d="M${corners.join("L")}Z" fill="none" ${edge}/>`);
  }
  svg.push("</g>");
  for (const { text, x, y, anchor } of sliceNames(scene, side))
    svg.push(
      `<text x="${round(x)}" y="${round(y + 4)}" text-anchor="${anchor}" fill="${hex(theme.dim)}">${text}</text>`,
    );
  const name = `attention${scale.kind === "log" ? ", log" : ""}; below ${short(scale.threshold)} clear`;
  svg.push(legendOf("as-scale", table, numbersOf(scale, short), scale.threshold ? name : "attention", 8, HEIGHT + 12));
  const notes = [hiddenText(state)].filter(Boolean);
  return titled({ width: WIDTH, height: HEIGHT + 44, svg: svg.join("") }, title, notes, 24 + 16 * notes.length, theme);
}
