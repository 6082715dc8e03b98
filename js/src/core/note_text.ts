/** What a note on a head may be, as in scope_widgets/widgets/core/head_notes.py, and where figures, tables and code say it. */
import type { Head, Note } from "./selection";

const MOST_CHARACTERS = 300;
const IN_CAPTION = 12;
/** Controls, and what turns text around, so that it reads as another one. */
const UNSEEN = /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
const SPACES = /\s+/;

/** A text in one line, or why it cannot be a note. */
export function tidied(given: string): { text: string; problem: string } {
  const text = given.split(SPACES).filter(Boolean).join(" ");
  const length = [...text].length;
  const unseen = UNSEEN.exec(text)?.[0].codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0");
  const problem =
    length > MOST_CHARACTERS
      ? `A note has ${MOST_CHARACTERS} characters at most, and this one has ${length.toLocaleString("en")}: shorten it.`
      : unseen
        ? `It holds a character that cannot be seen (U+${unseen}): take it out.`
        : "";
  return { text, problem };
}

/** The note on a head, "" for none. */
export const noteOn = (notes: readonly Note[], head: Head | undefined): string =>
  notes.find(([layer, index]) => layer === head?.[0] && index === head[1])?.[2] ?? "";

/** What a caption says of notes on the heads of a model of so many layers and heads, after a space. */
export function notesSaid(notes: readonly Note[], layers: number | null, heads: number | null): string {
  const own = notes.filter(([layer, head]) => layer < (layers ?? Infinity) && head < (heads ?? Infinity));
  const said = own
    .slice(0, IN_CAPTION)
    .map(([layer, head, text]) => `${layer}.${head}, ${text.replace(/[.;,]+$/, "")}`);
  if (own.length > IN_CAPTION) said.push(`and ${own.length - IN_CAPTION} more`);
  return said.length ? ` Notes: ${said.join("; ")}.` : "";
}
