/** The text as an SVG for papers: each token on its colour, the legend below. */
import { hexColour, inkOn, pack } from "../core/drawing/colour";
import { type Figure, hex, legendOf, MONO, MONO_CHARACTER, numbersOf, round, titled } from "../core/export/figure";
import { xml } from "../core/export/files";
import { aboveText, count, short } from "../core/format";
import type { State } from "./state";
import { linesOf, PAD } from "./text_layout";
import { isClipped } from "./token_colours";

const WIDTH = 720;
const LINE = 18;
/** A figure of more is too high for a page, and an SVG of more too heavy. */
const MOST_LINES = 160;

/** Of characters at 11 px: a file is read where nothing can be measured. */
const measure = (text: string): number =>
  [...text].reduce((sum, char) => sum + (char.codePointAt(0)! >= 0x1100 ? 2 : 1) * MONO_CHARACTER, 0);

export function figure(state: State, title: string): Figure {
  const [colours, values, scale, table, theme, column] = [
    state.colours.peek(),
    state.values.peek(),
    state.scale.peek(),
    state.table.peek(),
    state.theme.peek(),
    state.column.peek(),
  ];
  const { starts, lefts, widths, levels, parts } = linesOf(state.tokens, WIDTH, measure);
  const lines = Math.min(MOST_LINES, starts.length - 1);
  const shown = starts[lines]!;
  const ground = hexColour(pack(theme.groundRgb));
  const svg: string[] = [
    `<pattern id="tv-nan" width="6" height="6" patternUnits="userSpaceOnUse"><path d="M0 6 6 0" stroke="${hex(theme.warn)}" stroke-opacity=".5"/></pattern>`,
  ];
  for (let line = 0; line < lines; line++)
    for (let at = starts[line]!; at < starts[line + 1]!; at++) {
      const [x, y, wide] = [round(lefts[at]!), line * LINE, round(widths[at]!)];
      const colour = colours[at]!;
      const fill = colour ? hexColour(colour) : "url(#tv-nan)";
      if (fill !== ground) svg.push(`<rect x="${x}" y="${y}" width="${wide}" height="${LINE - 2}" fill="${fill}"/>`);
      const ink = (fill !== ground && inkOn(colour)) || hex(theme.ink);
      if (isClipped(values[at]!, scale))
        svg.push(`<rect x="${x}" y="${y + LINE - 3.5}" width="${wide}" height="1.5" fill="${ink}"/>`);
      const word = parts(at).map(({ text, dim }) =>
        dim ? `<tspan fill-opacity=".6">${xml(text)}</tspan>` : xml(text),
      );
      const fromRight = levels[at]! % 2 === 1;
      const [start, direction] = fromRight ? [x + wide - PAD, ' direction="rtl"'] : [x + PAD, ""];
      svg.push(`<text x="${round(start)}" y="${y + 12}" fill="${ink}"${direction} ${MONO}>${word.join("")}</text>`);
    }
  let bottom = lines * LINE + 8;
  if (shown < state.tokens.length) {
    svg.push(
      `<text y="${bottom + 10}" fill="${hex(theme.dim)}">… and ${count(state.tokens.length - shown)} more tokens</text>`,
    );
    bottom += 24;
  }
  const above = aboveText(state.clipped.peek());
  const name = `${column.label}${column.unit ? `, ${column.unit}` : ""}${scale.kind === "log" ? ", logarithmic" : ""}${above ? `; ${above}` : ""}`;
  svg.push(legendOf("tv-scale", table, numbersOf(scale, short), name, 8, bottom));
  return titled({ width: WIDTH, height: bottom + 30, svg: svg.join("") }, title, [], 24, theme);
}
