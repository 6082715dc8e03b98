/** The words of the filter language, each with where it stands. */

export interface Word {
  kind: "number" | "text" | "name" | "column" | "operator" | "(" | ")" | "end";
  text: string;
  at: number;
}

/** A mistake in the filter, said as a sentence. */
export class FilterError extends Error {}

const PATTERN =
  /\s*(?:(\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?)|"([^"]*)"|'([^']*)'|`([^`]*)`|([\p{L}_][\p{L}\p{N}_]*)|(<=|>=|==|!=|<>|[<>=≤≥≠~])|([()])|([-−+]))/iuy;

const SAME: Record<string, string> = { "≤": "<=", "≥": ">=", "==": "=", "≠": "!=", "<>": "!=", "~": "contains" };
const KEYWORDS = new Set(["and", "or", "not", "contains"]);

export function words(text: string): Word[] {
  const found: Word[] = [];
  const pattern = new RegExp(PATTERN);
  const end = text.trimEnd().length;
  while (pattern.lastIndex < end) {
    const from = pattern.lastIndex;
    const match = pattern.exec(text);
    if (!match) throw new FilterError(complaint(text.slice(from).trim()));
    const [all, number, double, single, column, name, operator, bracket, sign] = match;
    const at = from + (all.length - all.trimStart().length);
    if (number !== undefined) found.push({ kind: "number", text: number, at });
    else if (double !== undefined || single !== undefined) found.push({ kind: "text", text: double ?? single!, at });
    else if (column !== undefined) found.push({ kind: "column", text: column, at });
    else if (name !== undefined)
      found.push(
        KEYWORDS.has(name.toLowerCase())
          ? { kind: "operator", text: name.toLowerCase(), at }
          : { kind: "name", text: name, at },
      );
    else if (operator !== undefined) found.push({ kind: "operator", text: SAME[operator] ?? operator, at });
    else if (bracket !== undefined) found.push({ kind: bracket as "(" | ")", text: bracket, at });
    else found.push({ kind: "operator", text: sign === "+" ? "+" : "-", at });
  }
  found.push({ kind: "end", text: "", at: text.length });
  return found;
}

const complaint = (rest: string): string =>
  /^["'`]/.test(rest)
    ? `The ${rest[0]} before ${rest.slice(1, 20) || "the end"} is never closed.`
    : `The filter cannot contain ${rest[0]}.`;
