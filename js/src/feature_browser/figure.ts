/** The open latent, or the first rows of the list, as an SVG for papers. */
import { hexColour, inkOn } from "../core/drawing/colour";
import { entryOf } from "../core/drawing/scale";
import { type Figure, hex, legendOf, MONO, MONO_CHARACTER, round, titled } from "../core/export/figure";
import { xml } from "../core/export/files";
import { count, short, significant, steady } from "../core/format";
import { plain } from "../core/tokens";
import type { LatentPage, Line } from "./page_data";
import { percent } from "./page_text";
import type { State } from "./state";

const WIDTH = 720;
const LINE = 18;
const [VALUE, MIDDLE] = [44, 380];
const [EXAMPLES, ROWS] = [12, 40];

const wide = (text: string): number =>
  [...text].reduce((sum, char) => sum + (char.codePointAt(0)! >= 0x1100 ? 2 : 1) * MONO_CHARACTER, 0) + 4;

export function figure(state: State, title: string): Figure {
  const latent = state.latent.peek();
  const page = latent === null ? undefined : state.knownPage(latent);
  return page ? latentFigure(state, page) : listFigure(state, title);
}

function latentFigure(state: State, page: LatentPage): Figure {
  const theme = state.theme.peek();
  const table = state.table.peek();
  const svg: string[] = [];
  let y = 0;
  for (const line of page.lines.filter(({ quarter }) => quarter === null).slice(0, EXAMPLES)) {
    svg.push(
      `<text x="${VALUE - 8}" y="${y + 12}" text-anchor="end" fill="${hex(theme.dim)}">${steady(line.value)}</text>`,
    );
    svg.push(...lineSvg(line, y, page.max, state));
    y += LINE;
  }
  if (page.count) {
    const numbers = [short(0), short(page.max / 2), short(page.max)] as const;
    svg.push(legendOf("fb-scale", table, numbers, "activation", 8, y + 8));
    y += 40;
  }
  for (const [name, some] of [
    ["promotes", page.promotes],
    ["suppresses", page.suppresses],
  ] as const) {
    if (!some.length) continue;
    const words = some.map(([token, logit]) => `${plain(token, 16)} ${steady(logit)}`).join(", ");
    y += LINE;
    svg.push(`<text y="${y}" xml:space="preserve">${name}: ${xml(words.slice(0, 130))}</text>`);
  }
  const named = page.label && page.label.text !== "unlabelled" ? `: ${page.label.text}` : "";
  const rate = percent(page.count / Math.max(1, state.model.get("n_tokens")));
  const facts = page.count
    ? `fires on ${rate} of ${count(state.model.get("n_tokens"))} tokens; mean ${significant(page.mean)} where it does, largest ${significant(page.max)}`
    : `dead: it fired on none of ${count(state.model.get("n_tokens"))} tokens`;
  return titled(
    { width: WIDTH, height: y + 16, svg: svg.join("") },
    `Latent ${page.latent}${named}`,
    [facts],
    40,
    theme,
  );
}

function lineSvg(line: Line, y: number, max: number, state: State): string[] {
  const theme = state.theme.peek();
  const words = line.tokens.map((token) => plain(token, 24));
  const places: [number, number][] = [];
  let x = MIDDLE;
  for (let at = line.at; at < words.length && x + wide(words[at]!) <= WIDTH; at++) {
    places.push([at, x]);
    x += wide(words[at]!) + 1;
  }
  x = MIDDLE;
  for (let at = line.at - 1; at >= 0; at--) {
    x -= wide(words[at]!) + 1;
    if (x < VALUE) break;
    places.push([at, x]);
  }
  return places.flatMap(([at, left]) => {
    const value = line.values[at]!;
    const width = round(wide(words[at]!));
    const colour = value
      ? state.table.peek()[entryOf(value, { kind: "linear", low: 0, high: max || 1, threshold: 0 })]!
      : 0;
    const box = `x="${round(left)}" y="${y}" width="${width}" height="${LINE - 2}"`;
    const ink = (colour && inkOn(colour)) || hex(theme.ink);
    const under = `<path d="M${round(left)} ${y + LINE - 3}h${width}" stroke="${hex(theme.ink)}" stroke-dasharray="1 2"/>`;
    return [
      ...(colour ? [`<rect ${box} fill="${hexColour(colour)}"/>`] : value === null ? [under] : []),
      `<text x="${round(left + 2)}" y="${y + 12}" fill="${ink}" ${MONO}>${xml(words[at]!)}</text>`,
    ];
  });
}

function listFigure(state: State, title: string): Figure {
  const theme = state.theme.peek();
  const { latents, rate, max } = state.columns;
  const rows = state.rows.peek();
  const head = ["latent", "rate", "max"].map(
    (name, at) => `<text x="${[48, 112, 160][at]}" y="12" text-anchor="end">${name}</text>`,
  );
  const svg = [`<g fill="${hex(theme.dim)}">${head.join("")}<text x="176" y="12">label and top tokens</text></g>`];
  const shown = Math.min(ROWS, rows.length);
  for (let at = 0; at < shown; at++) {
    const row = rows[at]!;
    const y = 12 + (at + 1) * LINE;
    const words = state.words(latents[row]!);
    const text = [words?.label, words?.tokens].filter(Boolean).join("  ");
    const numbers = [String(latents[row]), percent(rate[row]!), significant(max[row]!)];
    svg.push(...numbers.map((one, i) => `<text x="${[48, 112, 160][i]}" y="${y}" text-anchor="end">${one}</text>`));
    svg.push(`<text x="176" y="${y}">${xml([...text].slice(0, 90).join(""))}</text>`);
  }
  const left = rows.length - shown;
  const note = left > 0 ? [`the first ${shown} of ${count(rows.length)} latents`] : [];
  return titled(
    { width: WIDTH, height: 12 + (shown + 1) * LINE, svg: svg.join("") },
    title,
    note,
    note.length ? 40 : 24,
    theme,
  );
}
