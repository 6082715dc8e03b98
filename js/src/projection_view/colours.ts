/** Colours of points: a hue a class, a scale for numbers whose zero is a grey, since a point has no cell around it. */

import { classHue, hexRgb, mix, pack, seenTable, signedTable, type Table, unpack } from "../core/drawing/colour";
import { entryOf, type Scale } from "../core/drawing/scale";
import type { Rgb, Theme } from "../core/elements/theme";
import { readable } from "../core/tokens";

/** As scope_widgets/widgets/figures/projection.py has them; the letters are those of classes of heads. */
const HUES = ["P", "N", "I", "B", "D", "S", "-", "F"];
const OTHER: Rgb = [154, 160, 168];
/** The opacity of a colour that is drawn as a ring, not as a disc: of a point without a class or number. */
const HOLLOW = 128;
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

const withOpacity = (colour: number, opacity: number): number => ((colour & 0xffffff) | (opacity << 24)) >>> 0;

/** So much of a packed colour, the rest of a ground; a ring stays one. */
const mixed = (ground: Rgb, colour: number, share: number): number =>
  withOpacity(pack(mix(ground, unpack(colour), share)), colour >>> 24);

/** Of classes that have no hue. */
export const otherColour = (): number => pack(OTHER);
/** Of points without a class or number: a ring, since 0 and classes without a hue are of the same grey. */
export const missingColour = (): number => withOpacity(pack(OTHER), HOLLOW);
export const isHollow = (colour: number): boolean => colour >>> 24 === HOLLOW;

export const hueOf = (at: number, dark: boolean): number => pack(hexRgb(classHue(HUES[at % HUES.length]!, dark)));

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
  if (!column || !values) return found.fill(column ? missingColour() : hueOf(0, dark));
  if (column.classes) {
    const shown = shownClasses(column.classes);
    const hues = Array.from({ length: shown }, (_, at) => hueOf(at, dark));
    for (let i = 0; i < n; i++)
      found[i] = Number.isNaN(values[i]!) ? missingColour() : (hues[values[i]!] ?? otherColour());
  } else
    for (let i = 0; i < n; i++) {
      const entry = entryOf(values[i]!, scale);
      found[i] = entry < 0 ? missingColour() : table[entry]!;
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

/** The name of a column or class; one that is empty is seen too. */
export const seenName = (name: string, limit: number): string => readable(name, limit) || "∅";
