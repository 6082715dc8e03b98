/** Where thumbnails stand: layers down and heads across, folded into blocks side by side, or in an order. Plain arithmetic. */
import type { Head } from "../core/selection";

export const GAP = 4;
/** Room above the thumbnails for the axis' name and numbers, and at the left of each block. */
export const HEADER = 30;
export const GUTTER = 32;
/** Of thumbnails, gap included. */
export const MOST = 64;
const LEAST = 18;
/** Of a head in an order: its picture, and below it its name and number. */
const ORDERED = { side: 52, width: 66, height: 72 };
/** A canvas has no room for more. */
export const MOST_ORDERED = 900;

export interface Block {
  left: number;
  first: number;
  end: number;
}

export interface Places {
  /** Of a picture, and of its cell with the gaps. */
  side: number;
  pitch: number;
  width: number;
  height: number;
  rows: number;
  columns(row: number): number;
  headAt(row: number, column: number): Head;
  /** Row and column of a head for who walks with the keys; undefined where it is left out. */
  cellOf(head: Head): [row: number, column: number] | undefined;
  place(head: Head): { left: number; top: number } | undefined;
  at(x: number, y: number): Head | undefined;
  heads: readonly Head[];
  /** Of folded layers; none of an order. */
  blocks: readonly Block[];
}

/**
 * Layers down, heads across: in as many blocks side by side as make the pictures largest. Where they would be smaller
 * than can be seen, in as many as the width has room for: the rest scrolls.
 */
export function folded(layers: number, heads: number, width: number, height: number): Places {
  const size = (blocks: number): number =>
    Math.min((width - blocks * GUTTER) / (blocks * heads), height / Math.ceil(layers / blocks));
  let count = 1;
  for (let blocks = 2; blocks <= layers; blocks++) if (size(blocks) > size(count) + 0.5) count = blocks;
  if (size(count) < LEAST) count = Math.max(1, Math.min(layers, Math.floor(width / (heads * LEAST + GUTTER))));
  const pitch = Math.floor(Math.max(LEAST, Math.min(MOST, size(count))));
  const rows = Math.ceil(layers / count);
  const step = heads * pitch + GUTTER;
  const blocks = Array.from({ length: Math.ceil(layers / rows) }, (_, i) => ({
    left: i * step,
    first: i * rows,
    end: Math.min(layers, (i + 1) * rows),
  }));
  const place = ([layer, head]: Head): { left: number; top: number } => ({
    left: Math.floor(layer / rows) * step + head * pitch,
    top: (layer % rows) * pitch,
  });
  return {
    side: pitch - GAP,
    pitch,
    width: blocks.length * step - GUTTER,
    height: rows * pitch,
    rows: layers,
    columns: () => heads,
    headAt: (row, column) => [row, column],
    cellOf: (head) => head,
    place,
    at(x, y) {
      const block = Math.floor(x / step);
      const [head, layer] = [Math.floor((x - block * step) / pitch), block * rows + Math.floor(y / pitch)];
      return x >= 0 && y >= 0 && y < rows * pitch && head < heads && layer < layers ? [layer, head] : undefined;
    },
    heads: Array.from({ length: layers * heads }, (_, i): Head => [Math.floor(i / heads), i % heads]),
    blocks,
  };
}

/** Heads in an order, as lines of a text. */
export function ordered(order: readonly Head[], width: number): Places {
  const heads = order.slice(0, MOST_ORDERED);
  const across = Math.max(1, Math.floor(width / ORDERED.width));
  const index = new Map(heads.map((head, i) => [head.join("."), i]));
  const cellOf = (head: Head): [number, number] | undefined => {
    const i = index.get(head.join("."));
    return i === undefined ? undefined : [Math.floor(i / across), i % across];
  };
  const rows = Math.ceil(heads.length / across);
  return {
    side: ORDERED.side,
    pitch: ORDERED.width,
    width: Math.min(across, heads.length) * ORDERED.width,
    height: rows * ORDERED.height,
    rows,
    columns: (row) => (row < rows - 1 ? across : heads.length - (rows - 1) * across),
    headAt: (row, column) => heads[row * across + column]!,
    cellOf,
    place(head) {
      const cell = cellOf(head);
      return cell && { left: cell[1] * ORDERED.width, top: cell[0] * ORDERED.height };
    },
    at(x, y) {
      const column = Math.floor(x / ORDERED.width);
      return x < 0 || y < 0 || column >= across ? undefined : heads[Math.floor(y / ORDERED.height) * across + column];
    },
    heads,
    blocks: [],
  };
}
