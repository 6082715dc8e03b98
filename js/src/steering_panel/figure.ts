import type { Theme } from "../core/elements/theme";
import { type Figure, hex, titled } from "../core/export/figure";
import { xml } from "../core/export/files";
import { signed, steady } from "../core/format";
import type { Answers } from "./answers/answers";
import { drawBars, svgPen } from "./answers/bars_drawing";
import { layoutOf } from "./answers/bars_layout";
import type { Continuations } from "./continuations/continuations";
import { differing, type Word } from "./continuations/word_difference";
import { placeOf, strengthText } from "./sliders/sliders";
import type { State } from "./state";

const WIDTH = 720;
const HEAD = 24;
const LINE = 16;
/** Monospaced characters of 12 px that a column of text holds. */
const CHARACTERS = 46;

export function figure(state: State, { shown }: Answers, { texts }: Continuations, title: string): Figure {
  const theme = state.theme.peek();
  const answer = shown.peek()!;
  const out: string[] = [];
  let y = 14;
  const text = (content: string, x: number, style = "", ink = theme.ink): void =>
    void out.push(`<text x="${x}" y="${y}" fill="${hex(ink)}"${style}>${xml(content)}</text>`);
  const down = (by: number): void => void (y += by);
  y = sliders(out, state, theme, y);
  const [answerText, versus]: string[] = state.model.get("answers");
  const difference =
    answer.difference === null
      ? ""
      : `, logit ${answerText} − ${versus} ${signed(answer.difference, steady)} (unsteered ${signed(answer.difference0!, steady)})`;
  text(
    `KL divergence ${steady(answer.kl)} nats${difference}${answer.how && answer.how !== "computed" ? `; ${answer.how}` : ""}`,
    0,
  );
  down(LINE + 4);
  const layout = layoutOf(answer, WIDTH);
  text("unsteered", layout.left, ' text-anchor="end"', theme.dim);
  text("steered", layout.right, "", theme.dim);
  down(8);
  out.push(`<g transform="translate(0 ${y})">`);
  drawBars(svgPen(out, theme, hex), layout, theme, undefined);
  out.push("</g>");
  down(layout.height + LINE + 8);
  const written = texts.peek();
  if (written) y = continuations(out, differing(written.unsteered, written.steered), theme, y);
  return titled({ width: WIDTH, height: y, svg: out.join("") }, title, [], HEAD, theme);
}

function sliders(out: string[], state: State, theme: Theme, y: number): number {
  const [from, to] = [WIDTH * 0.5, WIDTH - 72];
  const { strengths, enabled } = state.setting.peek();
  state.sliders.peek().forEach((slider, at) => {
    const x = (value: number): number => Math.round(from + placeOf(slider, value) * (to - from));
    const strength = strengths[at]!;
    const ink = hex(enabled[at] ? theme.ink : theme.dim);
    const about = `layer ${slider.layer}, ${slider.site}${slider.at === "all positions" ? "" : `, ${slider.at}`}`;
    out.push(
      `<text x="0" y="${y}" fill="${ink}">${slider.order}  ${xml(slider.name)} <tspan fill="${hex(theme.dim)}">${xml(about)}</tspan></text>`,
    );
    out.push(`<path d="M${from} ${y - 4}H${to}" stroke="${hex(theme.dim)}" stroke-opacity="0.4" stroke-width="2"/>`);
    if (slider.neutral !== null) out.push(`<path d="M${x(slider.neutral)} ${y - 9}v10" stroke="${hex(theme.dim)}"/>`);
    if (strength !== null)
      out.push(
        `<circle cx="${x(strength)}" cy="${y - 4}" r="5" fill="${hex(theme.ground)}" stroke="${hex(enabled[at] ? theme.accent : theme.dim)}" stroke-width="2"/>`,
      );
    out.push(
      `<text x="${WIDTH}" y="${y}" text-anchor="end" fill="${ink}">${strengthText(strength)}${enabled[at] ? "" : " (off)"}</text>`,
    );
    y += 20;
  });
  return y + (state.sliders.peek().length ? 8 : 0);
}

function continuations(out: string[], columns: [Word[], Word[]], theme: Theme, y: number): number {
  const ends = columns.map((words, side) => {
    const x = side * (WIDTH / 2 + 8);
    out.push(
      `<text x="${x}" y="${y}" fill="${hex(theme.dim)}">${side ? "steered, continued" : "unsteered, continued"}</text>`,
    );
    let at = y;
    for (const line of wrapped(words)) {
      at += LINE;
      const spans = line
        .map(({ text, differs }) => `<tspan${differs ? ' font-weight="600"' : ""}>${xml(text)}</tspan>`)
        .join("");
      out.push(
        `<text x="${x}" y="${at}" font-family="monospace" font-size="12" xml:space="preserve" fill="${hex(theme.ink)}">${spans}</text>`,
      );
    }
    return at;
  });
  return Math.max(...ends);
}

function wrapped(words: Word[]): Word[][] {
  const lines: Word[][] = [[]];
  let length = 0;
  for (const { text, differs } of words) {
    const shown = text.replaceAll("\n", "↵");
    if (length && length + shown.length > CHARACTERS) {
      lines.push([]);
      length = 0;
    }
    lines.at(-1)!.push({ text: length ? shown : shown.trimStart(), differs });
    length += shown.length;
  }
  return lines;
}
