/** Which words of two texts differ, and text that a page may show. */
import { h } from "../../core/elements/dom";
import { parts } from "../../core/tokens";

export interface Word {
  text: string;
  differs: boolean;
}

/** Words with the space before them, those that the other text does not have in this order marked. */
export function differing(one: string, other: string): [Word[], Word[]] {
  const [a, b] = [split(one), split(other)];
  const common = (x: string, y: string): boolean => x.trim() === y.trim();
  // length[i][j]: of the longest common subsequence of what follows i and j
  const length = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      length[i]![j] = common(a[i]!, b[j]!)
        ? length[i + 1]![j + 1]! + 1
        : Math.max(length[i + 1]![j]!, length[i]![j + 1]!);
  const marked: [Word[], Word[]] = [
    a.map((text) => ({ text, differs: true })),
    b.map((text) => ({ text, differs: true })),
  ];
  for (let i = 0, j = 0; i < a.length && j < b.length; )
    if (common(a[i]!, b[j]!)) marked[0][i++]!.differs = marked[1][j++]!.differs = false;
    else if (length[i + 1]![j]! >= length[i]![j + 1]!) i++;
    else j++;
  return marked;
}

const split = (text: string): string[] => text.match(/\s*\S+|\s+$/g) ?? [];

/** Running text: spaces stay spaces, line ends show as arrows too, and what is unprintable has a stand-in. */
export function running(text: string): (Node | string)[] {
  return text
    .split(/([^\S\n]+|\n)/)
    .filter(Boolean)
    .flatMap((piece): (Node | string)[] => {
      if (piece === "\n") return [h("i", {}, "↵"), "\n"];
      if (/^[^\S\n]+$/.test(piece)) return [piece];
      return parts(piece).map(({ text: part, dim }) => (dim ? h("i", {}, part) : part));
    });
}
