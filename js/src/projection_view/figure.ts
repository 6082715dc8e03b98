/** The points as an SVG for papers: circles, or a picture of them where they are many, which it says. */
import { hexColour } from "../core/drawing/colour";
import { type Figure, hex, legendOf, numbersOf, round, titled } from "../core/export/figure";
import { xml } from "../core/export/files";
import { count, short } from "../core/format";
import { hueOf, isHollow, missingColour, otherColour, seenName, shownClasses } from "./colours";
import { canvasPoints } from "./drawing_points";
import { frameOf } from "./screen_transform";
import type { State } from "./state";

const [WIDTH, HEIGHT] = [640, 440];
/** More would make a file that no program opens with pleasure. */
const MOST_CIRCLES = 4000;
/** Pixels of a picture a unit. */
const RATIO = 3;
const PAD = 10;

export function figure(state: State, title: string): Figure {
  const theme = state.theme.peek();
  const [left, top] = state.axes.length ? [16, 0] : [0, 0];
  const frame = frameOf(state.box, state.zoom.peek(), WIDTH, HEIGHT);
  const svg: string[] = [
    `<clipPath id="pv-clip"><rect width="${WIDTH}" height="${HEIGHT}"/></clipPath>`,
    `<g transform="translate(${left} ${top})"><g clip-path="url(#pv-clip)">`,
    state.n <= MOST_CIRCLES ? circles(state, frame) : picture(state, frame),
    `</g><rect width="${WIDTH}" height="${HEIGHT}" fill="none" stroke="${hex(theme.ink)}" stroke-opacity=".12"/></g>`,
  ];
  let bottom = HEIGHT;
  if (state.axes.length) {
    svg.push(
      `<text x="${left + WIDTH / 2}" y="${bottom + 14}" text-anchor="middle" fill="${hex(theme.dim)}">${xml(state.axes[0]!)}</text>`,
      `<text transform="translate(10 ${HEIGHT / 2}) rotate(-90)" text-anchor="middle" fill="${hex(theme.dim)}">${xml(state.axes[1]!)}</text>`,
    );
    bottom += 20;
  }
  const { svg: keys, height } = key(state, left, bottom + PAD);
  svg.push(keys);
  bottom += height;
  const at = state.layers.length ? [`layer ${state.layer.peek()}`] : [];
  const fidelity = state.model.get("fidelity")[Math.max(0, state.layers.indexOf(state.layer.peek()))] ?? "";
  const whole =
    state.n > MOST_CIRCLES ? [`All ${count(state.n)} points, as a picture; those drawn later hide others.`] : [];
  const notes = [...at, ...(fidelity ? [fidelity] : []), ...whole];
  return titled(
    { width: WIDTH + left, height: bottom, svg: svg.join("") },
    title,
    notes,
    24 + 16 * notes.length,
    theme,
  );
}

type Place = ReturnType<typeof frameOf>;

/** In the order in which they are drawn: what is selected last, with a ring. */
function circles(state: State, { scale, dx, dy }: Place): string {
  const [places, colours, selected] = [state.places.peek(), state.colours.peek(), state.selected.peek()];
  const radius = round(state.size.peek() / 2);
  const rows = Array.from({ length: state.n }, (_, row) => row);
  const ring = ` stroke="${hex(state.theme.peek().select)}" stroke-width="1.5"`;
  return [...rows.filter((row) => !selected.has(row)), ...rows.filter((row) => selected.has(row))]
    .map((row) => {
      const [x, y] = [places[2 * row]! * scale + dx, dy - places[2 * row + 1]! * scale];
      if (x < -radius || y < -radius || x > WIDTH + radius || y > HEIGHT + radius) return "";
      const edge = selected.has(row) ? ring : "";
      return dot(x, y, radius, colours[row]!, edge);
    })
    .join("");
}

/** A disc, or a ring where the colour is a hollow one; `edge` is drawn around it. */
function dot(x: number, y: number, radius: number, colour: number, edge = ""): string {
  const circle = (r: number, rest: string): string =>
    `<circle cx="${round(x)}" cy="${round(y)}" r="${round(r)}"${rest}/>`;
  if (!isHollow(colour)) return circle(radius, ` fill="${hexColour(colour)}"${edge}`);
  const width = Math.max(1, radius / 3);
  const ring = circle(radius - width / 2, ` fill="none" stroke="${hexColour(colour)}" stroke-width="${round(width)}"`);
  return edge ? ring + circle(radius, ` fill="none"${edge}`) : ring;
}

function picture(state: State, frame: Place): string {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [WIDTH * RATIO, HEIGHT * RATIO];
  const places = state.places.peek();
  const selected = state.selected.peek();
  const order = Uint32Array.from({ length: state.n }, (_, at) => at).sort(
    (one, other) => Number(selected.has(one)) - Number(selected.has(other)) || one - other,
  );
  canvasPoints(canvas.getContext("2d")!).draw(
    { places, from: places, share: 1, colours: state.colours.peek(), order, size: state.size.peek(), frame },
    WIDTH,
    HEIGHT,
    RATIO,
  );
  return `<image width="${WIDTH}" height="${HEIGHT}" href="${canvas.toDataURL()}"/>`;
}

function key(state: State, left: number, top: number): { svg: string; height: number } {
  const [column, theme] = [state.column.peek(), state.theme.peek()];
  if (!column) return { svg: "", height: 0 };
  const missing: Entry[] = column.missing ? [[missingColour(), `none (${count(column.missing)})`]] : [];
  if (!column.classes) {
    const scale = state.scale.peek();
    const name = `${seenName(column.name, 60)}${scale.kind === "log" ? ", logarithmic" : ""}`;
    const bar = legendOf("pv-scale", state.table.peek(), numbersOf(scale, short), name, left + 8, top);
    const rest = entries(missing, left, top + 32, hex(theme.dim));
    return { svg: bar + rest.svg, height: 36 + (missing.length ? rest.height : 0) };
  }
  const shown = shownClasses(column.classes);
  const named: Entry[] = column.classes
    .slice(0, shown)
    .map((name, at) => [hueOf(at, theme.dark), `${seenName(name, 40)} (${count(column.counts[at]!)})`]);
  const others: Entry[] =
    column.classes.length > shown
      ? [
          [
            otherColour(),
            `${count(column.classes.length - shown)} others (${count(column.counts.slice(shown).reduce((a, b) => a + b, 0))})`,
          ],
        ]
      : [];
  return entries([...named, ...others, ...missing], left, top, hex(theme.ink));
}

type Entry = readonly [colour: number, words: string];

/** Dots with words, in as many lines as they take. */
function entries(all: readonly Entry[], left: number, top: number, ink: string): { svg: string; height: number } {
  let [x, y] = [left, top + 8];
  const svg = all.map(([colour, words]) => {
    const room = 16 + words.length * 6.4 + 12;
    if (x > left && x + room > left + WIDTH) [x, y] = [left, y + 16];
    const one = `${dot(x + 5, y - 4, 4.5, colour)}<text x="${round(x + 14)}" y="${y}" fill="${ink}">${xml(words)}</text>`;
    x += room;
    return one;
  });
  return { svg: svg.join(""), height: y - top + PAD + 4 };
}
