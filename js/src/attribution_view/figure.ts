/** The map and the running total as an SVG for papers: text as text. */
import { type Figure, legendOf, numbersOf, titled } from "../core/export/figure";
import { aboveText, short } from "../core/format";
import { svgPen } from "./canvas_or_svg";
import { drawLabels, drawMap, drawTotal, isPale } from "./drawing";
import { FOOTER, frameOf, HEADER } from "./layout";
import type { State } from "./state";

const WIDTH = 880;
const ROW = 18;
const [LEAST, MOST] = [120, 900];
/** Of a character at 11 px: a file is read where nothing can be measured. */
const CHARACTER = 6.2;
const measure = (text: string): number => text.length * CHARACTER;

export function figure(state: State, title: string, question: string): Figure {
  const { parts } = state;
  const [theme, table, scale] = [state.theme.peek(), state.table.peek(), state.scale.peek()];
  const room = { width: WIDTH, height: HEADER + FOOTER + Math.max(LEAST, Math.min(MOST, ROW * parts.rows.length)) };
  const gutter = Math.max(...parts.rows.map(({ label }) => measure(label))) + 10;
  const frame = frameOf(room, gutter, parts.rows.length, parts.columns.length, parts.heads);
  const elements: string[] = [];
  const pen = svgPen(elements, theme);
  drawMap(pen, parts, frame, { scale, table, theme });
  drawLabels(pen, parts, frame, theme, measure);
  drawTotal(pen, parts, frame, state.axis, theme, measure);
  const bottom = frame.top + frame.rows * frame.rowHeight + FOOTER + 10;
  const above = aboveText(state.clipped.peek());
  const name = `contribution, logits${above ? `; ${above}` : ""}`;
  elements.push(legendOf("at-scale", table, numbersOf(scale, short), name, frame.left, bottom));
  if (parts.rows.some(({ steps }) => steps.length > 1 && steps.some(({ part }) => isPale(part))))
    [
      ["attention", 1],
      ["MLP", 0.4],
    ].forEach(([text, alpha], i) => {
      const left = frame.total.left + 90 * i;
      pen.rect(left, bottom + 2, 12, 8, theme.dim, alpha as number);
      pen.text(left + 18, bottom + 6, text as string, { ink: theme.dim });
    });
  return titled({ width: frame.right + 2, height: bottom + 30, svg: elements.join("") }, title, [question], 36, theme);
}
