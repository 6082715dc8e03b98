/** Own colour tables of 256 entries, whose zero is the ground, and the hues of the classes of heads. */
import type { Rgb } from "../elements/theme";

/** 256 colours as little-endian 0xAABBGGRR, what a canvas' ImageData holds. */
export type Table = Uint32Array;

export const mix = (a: Rgb, b: Rgb, t: number): Rgb => [
  a[0] + (b[0] - a[0]) * t,
  a[1] + (b[1] - a[1]) * t,
  a[2] + (b[2] - a[2]) * t,
];
/** "1a3a5f" or "#1a3a5f". */
export const hexRgb = (text: string): Rgb => {
  const digits = text.replace("#", "");
  return [0, 2, 4].map((i) => parseInt(digits.slice(i, i + 2), 16)) as unknown as Rgb;
};

/** Viridis at 0, 1/16, ... 1 (van der Walt and Smith, CC0). */
const VIRIDIS =
  "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1fa088 28ae80 3fbc73 5ec962 84d44b addc30 d8e219 fde725"
    .split(" ")
    .map(hexRgb);
const BLUE_RED_LIGHT = "15396b 2166ac 4393c3 92c5de d1e5f0 . fddbc7 f4a582 d6604d b2182b 6d0d1c".split(" ");
const BLUE_RED_DARK = "c6e2ff 7dbcff 3f92e6 265f9e 1a3a5f . 5f251d 9e3d2b e6664a ff9e80 ffddd0".split(" ");

function along(anchors: readonly Rgb[], t: number): Rgb {
  const at = t * (anchors.length - 1);
  const i = Math.min(Math.floor(at), anchors.length - 2);
  return mix(anchors[i]!, anchors[i + 1]!, at - i);
}

export const pack = ([r, g, b]: Rgb): number =>
  ((255 << 24) | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r)) >>> 0;

/**
 * Magnitude: viridis on a dark ground, viridis backwards (light to dark) on a light one; the first eighth fades in from
 * the ground, so that zero melts into it.
 */
export function magnitudeTable(ground: Rgb, dark: boolean): Table {
  const anchors = dark ? VIRIDIS : [...VIRIDIS].reverse();
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const t = i / 255;
    return pack(mix(ground, along(anchors, t), Math.min(1, t * (dark ? 8 : 4))));
  });
}

/** The low end of a scale of what is drawn on the bare ground: the ground itself could not be seen. */
const LEAST = 0.2;

/** Magnitude, for points, which have no cell around them: 0 is a colour that stands out from the ground. */
export function seenTable(ground: Rgb, dark: boolean): Table {
  const whole = magnitudeTable(ground, dark);
  return Uint32Array.from(whole, (_, at) => whole[Math.round(255 * (LEAST + (1 - LEAST) * (at / 255)))]!);
}

/** Signed: blue, the ground, red; entry 127.5 is zero. */
export function signedTable(ground: Rgb, dark: boolean): Table {
  const anchors = (dark ? BLUE_RED_DARK : BLUE_RED_LIGHT).map((text) => (text === "." ? ground : hexRgb(text)));
  return Uint32Array.from({ length: 256 }, (_, i) => pack(along(anchors, i / 255)));
}

/** A packed colour without its opacity. */
export const unpack = (packed: number): Rgb => [packed & 255, (packed >> 8) & 255, (packed >> 16) & 255];

export const cssColour = (packed: number): string =>
  `rgb(${packed & 255} ${(packed >> 8) & 255} ${(packed >> 16) & 255})`;

/** As `#rrggbb`, for files. */
export const hexColour = (packed: number): string =>
  `#${[packed, packed >> 8, packed >> 16].map((v) => (v & 255).toString(16).padStart(2, "0")).join("")}`;

/**
 * Letter -> [hue on a dark ground, hue on a light ground]. Okabe and Ito's, moved apart until all can be told from each
 * other under deuteranopia and stand out from the ground at least 3.6 to 1; the plainest classes share a grey.
 */
const CLASS_HUES = new Map<string, [string, string]>(
  Object.entries({
    N: ["#e69f00", "#c46b00"],
    "-": ["#d55e00", "#a93b00"],
    S: ["#00c5ff", "#2381b9"],
    I: ["#009e73", "#0a874e"],
    D: ["#f1e441", "#878962"],
    P: ["#388ae0", "#00589f"],
    B: ["#ff838b", "#af538f"],
    F: ["#decab4", "#6b4d00"],
    U: ["#9aa0a8", "#62666d"],
    C: ["#9aa0a8", "#62666d"],
  }),
);

const CLASS_NAMES = new Map(
  Object.entries({
    N: "name mover",
    "-": "negative name mover",
    S: "S-inhibition",
    I: "induction",
    D: "duplicate token",
    P: "previous token",
    B: "backup name mover",
    C: "current token",
    F: "first token",
    U: "uniform",
  }),
);

export const classHue = (letter: string, dark: boolean): string =>
  (CLASS_HUES.get(letter) ?? CLASS_HUES.get("U")!)[dark ? 0 : 1];
export const className = (letter: string): string => CLASS_NAMES.get(letter) ?? letter;

const linear = (channel: number): number => (channel / 255) ** 2.2;

/** Black or white, whichever stands out more from a colour; "" for the ink of the page, where there is no colour. */
export function inkOn(packed: number): string {
  if (!packed) return "";
  const luminance =
    0.2126 * linear(packed & 255) + 0.7152 * linear((packed >> 8) & 255) + 0.0722 * linear((packed >> 16) & 255);
  return luminance > 0.179 ? "#000" : "#fff";
}
