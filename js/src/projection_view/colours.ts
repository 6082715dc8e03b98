/** Colours of points: a hue a class, a scale for numbers whose zero is a grey, since a point has no cell around it. */
import { classHue, seenTable, signedTable, type Table } from "../core/drawing/colour";
import { entryOf, type Scale } from "../core/drawing/scale";
import type { Rgb, Theme } from "../core/elements/theme";

/** As scope_widgets/widgets/figures/projection.py has them; the letters are those of classes of heads. */
const HUES = ["P", "N", "I", "B", "S", "-", "D", "F"];
const OTHER: Rgb = [154, 160, 168];
/** The ends of 0 on a signed scale are colours that can be seen. */
const LEAST_SIGNED = 0.35;
/** One part in so many of the way from 0 to an end, and the grey of 0 is gone. */
const FADE = 6;

export interface Column {
  name: string;
  /** null: numbers. */
  classes: string[] | null;
  counts: number[];
  low: number;
  high: number;
  signed: boolean;
  missing: number;
}

/** How many of the classes have a hue: all, or all but the last hue, which would be one of many. */
export const shownClasses = (classes: readonly string[]): number =>
  classes.length <= HUES.length ? classes.length : HUES.length - 1;

const packed = ([r, g, b]: Rgb): number =>
  ((255 << 24) | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r)) >>> 0;

/** So much of a packed colour, the rest of a ground. */
const mixed = (ground: Rgb, colour: number, share: number): number =>
  packed([0, 8, 16].map((shift, i) => ground[i]! * (1 - share) + ((colour >>> shift) & 255) * share) as any);

export const otherColour = (): number => packed(OTHER);

const hexRgb = (hue: string): Rgb => [1, 3, 5].map((at) => parseInt(hue.slice(at, at + 2), 16)) as unknown as Rgb;

export const hueOf = (at: number, dark: boolean): number => packed(hexRgb(classHue(HUES[at % HUES.length]!, dark)));

export function tableOf(signed: boolean, { groundRgb, dark }: Theme): Table {
  if (signed) {
    const whole = signedTable(groundRgb, dark);
    return Uint32Array.from(whole, (_, at) => {
      const place = at / 127.5 - 1;
      const seen = Math.sign(place) * (LEAST_SIGNED + (1 - LEAST_SIGNED) * Math.abs(place));
      return mixed(OTHER, whole[Math.round((seen + 1) * 127.5)]!, Math.min(1, FADE * Math.abs(place)));
    });
  }
  return seenTable(groundRgb, dark);
}

/** The colour of each point, packed as 0xAABBGGRR. */
export function coloursOf(
  n: number,
  column: Column | undefined,
  values: Float32Array | undefined,
  scale: Scale,
  table: Table,
  dark: boolean,
): Uint32Array {
  const found = new Uint32Array(n);
  if (!column || !values) return found.fill(column ? packed(OTHER) : hueOf(0, dark));
  if (column.classes) {
    const shown = shownClasses(column.classes);
    const hues = Array.from({ length: shown }, (_, at) => hueOf(at, dark));
    for (let i = 0; i < n; i++) found[i] = hues[values[i]!] ?? packed(OTHER);
  } else
    for (let i = 0; i < n; i++) {
      const entry = entryOf(values[i]!, scale);
      found[i] = entry < 0 ? packed(OTHER) : table[entry]!;
    }
  return found;
}

/** Colours with those that do not count mixed into the ground. */
export function dimmed(
  colours: Uint32Array,
  counts: (point: number) => boolean,
  ground: Rgb,
  share: number,
): Uint32Array {
  return colours.map((colour, point) => (counts(point) ? colour : mixed(ground, colour, share)));
}
