/** The question that a picture answers: the clean tokens and, below those that differ, the corrupted ones. */
import { MONO, MONO_CHARACTER } from "../export/figure";
import { xml } from "../export/files";
import { count } from "../format";
import { between } from "../prompt_text";
import { plain, tokenSpan } from "../tokens";
import { h } from "./dom";

/** The trait `question`, empty where the pair is not known. */
export interface Question {
  /** [token] where both prompts have the same, [clean, corrupted] where not, or how many that are the same are left out. */
  pairs: (string[] | number)[];
  /** Of the first pair: the tokens that are right for the clean prompt, and those that they are compared with. */
  answer: string[];
  versus: string[];
  same_for_all: boolean;
  metric: string;
  n_pairs: number;
  /** What the metric is on both prompts; "" where it is not said. */
  facts: string;
}

const LONGEST = 40;
const [LINE, GAP] = [15, 8];
const NAMES = ["clean", "corrupted"];
const NAME_COLUMNS = 11;

export const isAsked = (question: Partial<Question>): question is Question => !!question.pairs?.length;

const leftOut = (tokens: number): string => ` (… ${count(tokens)} tokens that are the same …) `;

/** "logit difference ·Mary − ·John: ...": what is compared. */
export function caption(question: Question): string {
  const side = (tokens: string[]): string =>
    tokens
      .slice(0, 3)
      .map((token) => plain(token, LONGEST))
      .join(", ") + (tokens.length > 3 ? ` and ${tokens.length - 3} more` : "");
  const compared = [question.answer, question.versus]
    .filter((tokens) => tokens.length)
    .map(side)
    .join(" − ");
  const own = question.same_for_all || !compared ? "" : " (each pair has its own)";
  const facts = question.facts && `: ${question.facts}`;
  const first = question.n_pairs > 1 ? `; above: the first of ${count(question.n_pairs)} pairs` : "";
  return `${question.metric} ${compared}`.trim() + own + facts + first;
}

/** What stands between two tokens of either prompt. */
const betweenPairs = (pairs: Question["pairs"]): string =>
  between(pairs.flatMap((pair) => (typeof pair === "number" ? [] : pair)));

export function createQuestion(question: Partial<Question>): HTMLElement {
  const element = h("div", { class: "sw-question", role: "group", "aria-label": "The question" });
  element.hidden = !isAsked(question);
  if (!isAsked(question)) return element;
  const gap = betweenPairs(question.pairs);
  const row = (token: string): Node => (token ? tokenSpan(token) : document.createTextNode("\u00a0"));
  const tokens = question.pairs.map((pair) => {
    if (typeof pair === "number") return h("span", { class: "sw-pair sw-dim" }, h("span", {}, leftOut(pair)));
    const [clean, corrupted] = pair;
    return h(
      "span",
      { class: corrupted === undefined ? "sw-pair" : "sw-pair sw-differs" },
      h("span", {}, row(clean!)),
      h("span", {}, row(corrupted ?? "")),
    );
  });
  const names = h("span", { class: "sw-pair sw-dim" }, ...NAMES.map((name) => h("span", {}, name)));
  // A screen reader gets both prompts whole; the columns are for the eye.
  const spoken = [0, 1].map((side) =>
    question.pairs.map((pair) => (typeof pair === "number" ? leftOut(pair) : plain(pair[side] ?? pair[0]!))).join(gap),
  );
  element.append(
    h("div", { class: "sw-hidden" }, `Clean: ${spoken[0]}. Corrupted: ${spoken[1]}.`),
    h("div", { class: "sw-pairs", "aria-hidden": "true" }, names, ...tokens.flatMap((token) => [token, gap])),
    h("div", { class: "sw-dim" }, caption(question)),
  );
  return element;
}

/** The same for a figure, `width` pixels wide: its SVG and its height; nothing where there is no question. */
export function questionFigure(question: Partial<Question>, width: number): { svg: string; height: number } {
  if (!isAsked(question)) return { svg: "", height: 0 };
  const room = Math.max(20, Math.floor(width / MONO_CHARACTER) - NAME_COLUMNS);
  const gap = betweenPairs(question.pairs);
  const lines: [clean: string, corrupted: string][] = [["", ""]];
  for (const pair of question.pairs) {
    const texts =
      typeof pair === "number"
        ? [leftOut(pair), ""]
        : [pair[0], pair[1] ?? ""].map((token) => (token ? plain(token, LONGEST) : ""));
    const columns = Math.max(...texts.map((text) => text.length));
    let line = lines.at(-1)!;
    if (line[0] && line[0].length + columns > room) lines.push((line = ["", ""]));
    line[0] += texts[0]!.padEnd(columns) + gap;
    line[1] += texts[1]!.padEnd(columns) + gap;
  }
  let y = 0;
  const text = (content: string, x: number, mono = true): string =>
    content.trim() && `<text x="${x}" y="${y}" ${mono ? MONO : ""}>${xml(content.trimEnd())}</text>`;
  let svg = "";
  for (const line of lines)
    for (const [at, content] of line.entries()) {
      y += LINE;
      svg += text(NAMES[at]!, 0) + text(content, NAME_COLUMNS * MONO_CHARACTER);
    }
  y += LINE;
  svg += text(caption(question), 0, false);
  return { svg, height: y + GAP };
}
