/** What the figures of all views share: SVG for papers, text as text, colours as every program reads them. */
import { hexColour, pack, type Table } from "../drawing/colour";
import { type Scale, valueAt } from "../drawing/scale";
import { rgbOf, type Theme } from "../elements/theme";
import { xml } from "./files";

export interface Figure {
  svg: string;
  width: number;
  height: number;
}

export const MARGIN = 16;
export const SANS = 'font-family="system-ui, sans-serif"';
export const MONO = 'font-family="ui-monospace, Menlo, Consolas, monospace" xml:space="preserve"';
/** Width of a character in that font at 11 px: a file is read where nothing can be measured. */
export const MONO_CHARACTER = 6.62;

const NOTE_LINE = 16;

/** To a hundredth or, with `digits`, another power of ten: what no eye sees only makes a file longer. */
export const round = (value: number, digits = 2): number => Math.round(value * 10 ** digits) / 10 ** digits;

/** As `#rrggbb`: many programs that read SVG know no other colours. */
export function hex(colour: string): string {
  if (colour.startsWith("#")) return colour;
  return hexColour(pack(rgbOf(colour) ?? [0, 0, 0]));
}

/** An SVG document on the theme's ground; `style` are attributes of its root. */
export const svgOf = (width: number, height: number, theme: Theme, style: string, content: string): Figure => ({
  width,
  height,
  svg:
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ${style} fill="${hex(theme.ink)}">` +
    `<rect width="100%" height="100%" fill="${hex(theme.ground)}"/>${content}</svg>`,
});

/** About the width of a character of text at 11 px, rather too much: a file is read where other fonts are. */
const CHARACTER = 6.4;
/** A caption is not broken into narrower lines than this. */
const LEAST_CAPTION = 360;

/** The lines that a text takes in `width` pixels. */
export function lines(text: string, width: number): string[] {
  const most = Math.max(20, Math.floor(Math.max(width, LEAST_CAPTION) / CHARACTER));
  const found: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/).flatMap((one) => one.match(new RegExp(`.{1,${most}}`, "gsu")) ?? [])) {
    if (line && line.length + 1 + word.length > most) {
      found.push(line);
      line = "";
    }
    line = line ? `${line} ${word}` : word;
  }
  return line ? [...found, line] : found;
}

/** A figure with the words that go with it below, whole. */
export function captioned(figure: Figure, caption: string): Figure {
  const rows = lines(caption, figure.width - 2 * MARGIN);
  if (!rows.length) return figure;
  const width = Math.max(figure.width, LEAST_CAPTION + 2 * MARGIN);
  const height = figure.height + rows.length * NOTE_LINE + 8;
  const ink = /<svg [^>]*fill="(#[0-9a-f]+)"/.exec(figure.svg)?.[1] ?? "#000000";
  const ground = /<rect width="100%" height="100%" fill="(#[0-9a-f]+)"/.exec(figure.svg)?.[1] ?? "#ffffff";
  const words = rows.map((row, i) => `<text x="${MARGIN}" y="${figure.height + 8 + i * NOTE_LINE}">${xml(row)}</text>`);
  return {
    width,
    height,
    svg:
      `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ${SANS} font-size="11" fill="${ink}">` +
      `<rect width="100%" height="100%" fill="${ground}"/>${figure.svg}${words.join("")}</svg>`,
  };
}

/** `body` with margins, below a title and notes, which have `head` pixels, and more where they take more lines. */
export function titled(body: Figure, title: string, notes: readonly string[], least: number, theme: Theme): Figure {
  const width = Math.max(body.width, title.length * 7);
  const rows = notes.flatMap((note) => lines(note, width));
  const head = least + Math.max(0, rows.length - notes.length) * NOTE_LINE;
  const text = rows.map((row, i) => `<text x="${MARGIN}" y="${MARGIN + 28 + i * NOTE_LINE}">${xml(row)}</text>`);
  return svgOf(
    Math.max(width, rows.length ? LEAST_CAPTION : 0) + 2 * MARGIN,
    body.height + head + 2 * MARGIN,
    theme,
    `${SANS} font-size="11"`,
    `<text x="${MARGIN}" y="${MARGIN + 10}" font-size="12" font-weight="600">${xml(title)}</text>` +
      (text.length ? `<g fill="${hex(theme.dim)}">${text.join("")}</g>` : "") +
      `<g transform="translate(${MARGIN} ${MARGIN + head})">${body.svg}</g>`,
  );
}

/** A gradient of a colour table, for `fill="url(#id)"`. */
export function gradient(id: string, table: Table): string {
  const stops = Array.from(
    { length: 33 },
    (_, i) => `<stop offset="${i / 32}" stop-color="${hexColour(table[Math.min(255, i * 8)]!)}"/>`,
  );
  return `<linearGradient id="${id}">${stops.join("")}</linearGradient>`;
}

/** A scale at its ends and its middle, as `format` writes numbers. */
export const numbersOf = (scale: Scale, format: (value: number) => string): Numbers =>
  [0, 0.5, 1].map((at) => format(valueAt(at, scale))) as unknown as Numbers;

type Numbers = readonly [low: string, middle: string, high: string];

const LEGEND_WIDTH = 160;

/** A colour scale with the numbers at its ends and its middle below it, and its name beside it. */
export function legendOf(id: string, table: Table, numbers: Numbers, name: string, left: number, top: number): string {
  const labels = numbers.map(
    (text, i) =>
      `<text x="${round(left + (i * LEGEND_WIDTH) / 2)}" y="${round(top + 22)}" text-anchor="middle">${text}</text>`,
  );
  return (
    gradient(id, table) +
    `<rect x="${round(left)}" y="${round(top)}" width="${LEGEND_WIDTH}" height="10" fill="url(#${id})"/>${labels.join("")}` +
    `<text x="${round(left + LEGEND_WIDTH + 12)}" y="${round(top + 9)}" xml:space="preserve">${xml(name)}</text>`
  );
}
