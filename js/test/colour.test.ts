import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { classHue, hexColour, magnitudeTable, signedTable, type Table } from "../src/core/drawing/colour";
import type { Rgb } from "../src/core/elements/theme";

const sheet = readFileSync(`${import.meta.dirname}/../src/core/elements/theme.css`, "utf8");
const DARK: Rgb = [17, 19, 23];
const LIGHT: Rgb = [255, 255, 255];

function lightness(packed: number): number {
  const linear = [packed & 255, (packed >> 8) & 255, (packed >> 16) & 255].map((v) => {
    const c = v / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  const y = 0.2126 * linear[0]! + 0.7152 * linear[1]! + 0.0722 * linear[2]!;
  return y > 0.008856 ? 116 * Math.cbrt(y) - 16 : 903.3 * y;
}
const steps = (table: Table): number[] =>
  [...table].slice(1).map((entry, i) => lightness(entry) - lightness(table[i]!));

describe("magnitude", () => {
  test("zero is the ground, one is viridis' end", () => {
    expect(hexColour(magnitudeTable(DARK, true)[0]!)).toBe("#111317");
    expect(hexColour(magnitudeTable(DARK, true)[255]!)).toBe("#fde725");
    expect(hexColour(magnitudeTable(LIGHT, false)[0]!)).toBe("#ffffff");
    expect(hexColour(magnitudeTable(LIGHT, false)[255]!)).toBe("#440154");
  });
  test("lightness only rises on dark and only falls on light ground", () => {
    expect(Math.min(...steps(magnitudeTable(DARK, true)))).toBeGreaterThan(-0.35);
    expect(Math.max(...steps(magnitudeTable(LIGHT, false)))).toBeLessThan(0.35);
  });
  test("agrees with viridis where the ground no longer shows", () => {
    const table = magnitudeTable(DARK, true);
    for (const [at, colour] of [
      [64, [59, 82, 139]],
      [128, [33, 145, 140]],
      [191, [94, 201, 98]],
    ] as const)
      colour.forEach((value, channel) =>
        expect(Math.abs(((table[at]! >> (8 * channel)) & 255) - value)).toBeLessThan(4),
      );
  });
  test("is opaque", () => {
    expect([...magnitudeTable(DARK, true)].every((entry) => entry >>> 24 === 255)).toBe(true);
  });
});

test("signed: blue below, red above, ground at zero, lightness symmetric", () => {
  for (const [ground, dark] of [
    [DARK, true],
    [LIGHT, false],
  ] as const) {
    const table = signedTable(ground, dark);
    for (const middle of [127, 128])
      expect(Math.abs(lightness(table[middle]!) - lightness(magnitudeTable(ground, dark)[0]!))).toBeLessThan(2);
    expect((table[60]! >> 16) & 255).toBeGreaterThan(table[60]! & 255);
    expect(table[195]! & 255).toBeGreaterThan((table[195]! >> 16) & 255);
    for (let i = 0; i < 128; i += 16)
      expect(Math.abs(lightness(table[i]!) - lightness(table[255 - i]!))).toBeLessThan(14);
  }
});

test("classes of heads are told apart under deuteranopia", () => {
  // Machado et al. 2009, severity 1, on linear light; distance in OKLab.
  const seen = (hex: string): number[] => {
    const [r, g, b] = [1, 3, 5].map((i) => {
      const c = parseInt(hex.slice(i, i + 2), 16) / 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    }) as [number, number, number];
    const [R, G, B] = [
      0.367322 * r + 0.860646 * g - 0.227968 * b,
      0.280085 * r + 0.672501 * g + 0.047413 * b,
      -0.01182 * r + 0.04294 * g + 0.968881 * b,
    ];
    const l = Math.cbrt(0.4122214708 * R + 0.5363325363 * G + 0.0514459929 * B);
    const m = Math.cbrt(0.2119034982 * R + 0.6806995451 * G + 0.1073969566 * B);
    const s = Math.cbrt(0.0883024619 * R + 0.2817188376 * G + 0.6299787005 * B);
    return [
      0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
      1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
      0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
    ];
  };
  for (const dark of [true, false]) {
    const hues = [..."N-SIDPBFU"].map((letter) => seen(classHue(letter, dark)));
    let nearest = Infinity;
    hues.forEach((one, i) =>
      hues
        .slice(i + 1)
        .forEach((other) => (nearest = Math.min(nearest, Math.hypot(...one.map((v, k) => v - other[k]!))))),
    );
    expect(nearest).toBeGreaterThan(0.06);
  }
});

describe.each([
  ["light", LIGHT, 0],
  ["dark", DARK, 1],
] as const)("bars on a %s ground have the colours of maps", (theme, ground, at) => {
  const colours = (name: string): Rgb => {
    const hex = [...sheet.matchAll(new RegExp(`--sw-${name}: #(\\w{6})`, "g"))][at]![1]!;
    return [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16)) as unknown as Rgb;
  };
  /** The entry of a table that is nearest to a colour, and how far it is, 0 to 441. */
  const nearest = (table: Table, [r, g, b]: Rgb): [entry: number, far: number] => {
    const far = Array.from(table, (one) =>
      Math.hypot((one & 255) - r, ((one >> 8) & 255) - g, ((one >> 16) & 255) - b),
    );
    const least = Math.min(...far);
    return [far.indexOf(least), least];
  };
  const signs = signedTable(ground, theme === "dark");

  test("above and below 0", () => {
    const [[up, upFar], [down, downFar]] = [nearest(signs, colours("positive")), nearest(signs, colours("negative"))];
    expect(up).toBeGreaterThan(180);
    expect(down).toBeLessThan(75);
    expect(Math.max(upFar, downFar)).toBeLessThan(4);
  });
  test("amounts, which are neither", () => {
    expect(nearest(magnitudeTable(ground, theme === "dark"), colours("amount"))[1]).toBeLessThan(8);
    expect(nearest(signs, colours("amount"))[1]).toBeGreaterThan(30);
  });
});
