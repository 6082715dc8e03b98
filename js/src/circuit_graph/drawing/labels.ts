/** Names that a person gave to nodes: where they find room beside their nodes without hiding anything. */
import { className } from "../../core/drawing/colour";
import type { Mark, Scene } from "./scene";

export interface Label {
  text: string;
  x: number;
  y: number;
}

interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** Radius of a circle that has room for a letter or a number. */
export const ROOMY = 6.5;
const HALF = 7;
const GAP = 4;
/** A label is cut to one of these lengths where it finds no room. */
const LENGTHS = [28, 16, 10, 6];

/** The letter of a class of heads, where a label names one: "name mover" -> "N". */
export function classLetter(label: string | undefined): string | undefined {
  if (!label) return undefined;
  return [..."N-SIDPBCFU"].find(
    (letter) => label === letter || label.toLowerCase() === className(letter).toLowerCase(),
  );
}

export const cut = (text: string, most: number): string => {
  const chars = [...text];
  return chars.length > most ? `${chars.slice(0, most - 1).join("")}…` : text;
};

/** Labels that fit, the strongest nodes' first: at the right, the left, above or below. */
export function placedLabels(
  { marks, frame }: Scene,
  labels: ReadonlyMap<string, string>,
  width: (text: string) => number,
): Label[] {
  const shown = marks.filter((mark): mark is Mark => !!mark && mark.state !== "out");
  const taken: Box[] = shown.map(({ x, y, w, h }) => ({
    left: x - w - 1,
    top: y - h - 1,
    right: x + w + 1,
    bottom: y + h + 1,
  }));
  const placed: Label[] = [];
  const said = ({ unit, w }: Mark): boolean =>
    unit.kind === "head" && w >= ROOMY && classLetter(labels.get(unit.key)) === labels.get(unit.key);
  const wanted = marks.filter(
    (mark): mark is Mark =>
      !!mark && !!labels.get(mark.unit.key) && !said(mark) && (mark.state !== "out" || mark.unit.pinned),
  );
  for (const { unit, x, y, w, h } of wanted.sort((one, other) => other.strength - one.strength)) {
    const found = [...new Set(LENGTHS.map((most) => cut(labels.get(unit.key)!, most)))]
      .flatMap((text) => {
        const wide = width(text);
        const spots = [
          [x + w + GAP, y],
          [x - w - GAP - wide, y],
          [x - wide / 2, y - h - HALF - 1],
          [x - wide / 2, y + h + HALF + 1],
        ] as const;
        return spots.map(([left, middle]) => ({
          text,
          x: left,
          y: middle,
          box: { left: left - 2, top: middle - HALF, right: left + wide + 2, bottom: middle + HALF },
        }));
      })
      .find(({ box }) => box.left >= 0 && box.right <= frame.width && !taken.some((one) => overlap(one, box)));
    if (!found) continue;
    taken.push(found.box);
    placed.push({ text: found.text, x: found.x, y: found.y });
  }
  return placed;
}

const overlap = (one: Box, other: Box): boolean =>
  one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
