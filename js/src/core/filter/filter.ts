/**
 * The filter language: `induction > .4 and layer < 12`, `label = induction or not (0.2 < entropy < 1)`.
 * Comparisons chain; a bare word beside a text column is text; `= nan` asks for what is missing. Nothing is evaluated
 * as code.
 */
import { FilterError, type Word, words } from "./filter_lexer";

/** What can be asked about: of each row a number or a text. */
export type FilterColumn =
  | { name: string; kind: "text"; values: ArrayLike<string> }
  | { name: string; kind: "integer" | "number"; values: ArrayLike<number> };

export interface Filterable {
  columns: readonly FilterColumn[];
  byName: ReadonlyMap<string, FilterColumn>;
}

export type Predicate = (row: number) => boolean;

type Operand =
  | { kind: "number"; of: (row: number) => number; missing?: boolean }
  | { kind: "text"; of: (row: number) => string; column?: string }
  | { kind: "word"; word: string };

const COMPARE: Record<string, (a: number, b: number) => boolean> = {
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
  "=": (a, b) => a === b,
  "!=": (a, b) => a < b || a > b, // not !==: what is missing passes no comparison
};

/** What `text` asks of a row; undefined for an empty filter. Throws a FilterError whose message is a sentence. */
export function compile(text: string, table: Filterable): Predicate | undefined {
  return text.trim() ? new Parser(words(text), table).whole() : undefined;
}

class Parser {
  #at = 0;

  constructor(
    readonly all: Word[],
    readonly table: Filterable,
  ) {}

  whole(): Predicate {
    const result = this.#or();
    const left = this.#next;
    if (left.kind === ")") throw new FilterError("There is a ) without its (.");
    if (left.kind !== "end") throw new FilterError(`Join conditions with and, or: what does ${left.text} belong to?`);
    return result;
  }

  get #next(): Word {
    return this.all[this.#at]!;
  }

  #take(kind: Word["kind"], ...texts: string[]): Word | undefined {
    const word = this.#next;
    if (word.kind !== kind || (texts.length && !texts.includes(word.text))) return undefined;
    this.#at++;
    return word;
  }

  #or(): Predicate {
    const parts = [this.#and()];
    while (this.#take("operator", "or")) parts.push(this.#and());
    return parts.length === 1 ? parts[0]! : (row) => parts.some((part) => part(row));
  }

  #and(): Predicate {
    const parts = [this.#not()];
    while (this.#take("operator", "and")) parts.push(this.#not());
    return parts.length === 1 ? parts[0]! : (row) => parts.every((part) => part(row));
  }

  #not(): Predicate {
    if (this.#take("operator", "not")) {
      const inner = this.#not();
      return (row) => !inner(row);
    }
    if (!this.#take("(")) return this.#comparisons();
    const inner = this.#or();
    if (!this.#take(")")) throw new FilterError("A ( is never closed.");
    return inner;
  }

  #comparisons(): Predicate {
    let left = this.#operand();
    const parts: Predicate[] = [];
    for (let sign = this.#sign(); sign; sign = this.#sign()) {
      const right = this.#operand(left);
      parts.push(this.#compare(left, sign, right));
      left = right;
    }
    if (!parts.length) throw new FilterError(this.#unfinished(left));
    return parts.length === 1 ? parts[0]! : (row) => parts.every((part) => part(row));
  }

  #sign(): string | undefined {
    return this.#take("operator", ...Object.keys(COMPARE), "contains")?.text;
  }

  /** `beside` is what it is compared with: `label = induction` means the word, even where a column has that name. */
  #operand(beside?: Operand): Operand {
    const negative = !!this.#take("operator", "-");
    const number = this.#take("number");
    if (number) {
      const value = Number(number.text) * (negative ? -1 : 1);
      return { kind: "number", of: () => value };
    }
    const name = this.#take("name") ?? this.#take("column");
    if (negative) {
      const inner = name && this.#named(name);
      if (inner?.kind !== "number") throw new FilterError("After - comes a number or a column of numbers.");
      return { kind: "number", of: (row) => -inner.of(row) };
    }
    if (name?.kind === "name" && beside?.kind === "text") return { kind: "word", word: name.text };
    if (name) return this.#named(name);
    const text = this.#take("text");
    if (text) return { kind: "text", of: () => text.text };
    const found = this.#next;
    throw new FilterError(
      found.kind === "end"
        ? "The filter ends too early: a column or a number is missing."
        : `${found.text} stands where a column or a number belongs.`,
    );
  }

  #named({ kind, text }: Word): Operand {
    const column = find(this.table, text);
    if (!column) {
      if (/^(nan|missing)$/i.test(text)) return { kind: "number", of: () => NaN, missing: true };
      if (kind === "column") throw new FilterError(`There is no column ${text}.`);
      return { kind: "word", word: text };
    }
    if (column.kind === "text") return { kind: "text", of: (row) => column.values[row]!, column: column.name };
    return { kind: "number", of: (row) => column.values[row]! };
  }

  #compare(left: Operand, sign: string, right: Operand): Predicate {
    const a = left.kind === "word" && right.kind === "text" ? literal(left.word) : left;
    const b = right.kind === "word" && left.kind === "text" ? literal(right.word) : right;
    for (const side of [a, b]) if (side.kind === "word") throw new FilterError(unknown(side.word, this.table));
    if (a.kind === "text" && b.kind === "text") return compareTexts(a.of, sign, b.of);
    if (a.kind !== "number" || b.kind !== "number") {
      const text = (a.kind === "text" ? a : b) as { column?: string };
      throw new FilterError(`${text.column ?? "A text"} is text and cannot be compared with a number.`);
    }
    if (a.missing || b.missing) {
      if (sign !== "=" && sign !== "!=")
        throw new FilterError("What is missing can only be asked for with = nan or != nan.");
      const { of } = a.missing ? b : a;
      return sign === "=" ? (row) => Number.isNaN(of(row)) : (row) => !Number.isNaN(of(row));
    }
    const test = COMPARE[sign];
    if (!test) throw new FilterError("Only text can contain something; compare numbers with <, <=, =, !=, >=, >.");
    return (row) => test(a.of(row), b.of(row));
  }

  #unfinished(left: Operand): string {
    if (left.kind === "word") return unknown(left.word, this.table);
    const name = this.all[this.#at - 1]!.text;
    return left.kind === "text"
      ? `Say what ${name} must be, as in ${name} = induction.`
      : `Say how ${name} compares, as in ${name} > 0.4.`;
  }
}

const literal = (word: string): Operand => ({ kind: "text", of: () => word });

function compareTexts(a: (row: number) => string, sign: string, b: (row: number) => string): Predicate {
  const fold = (text: string): string => text.toLowerCase().replace(/[_-]/g, " "); // as the table writes classes
  if (sign === "=") return (row) => fold(a(row)) === fold(b(row));
  if (sign === "!=") return (row) => fold(a(row)) !== fold(b(row));
  if (sign === "contains") return (row) => fold(a(row)).includes(fold(b(row)));
  throw new FilterError(`Text is compared with =, != or contains, not with ${sign}.`);
}

function find(table: Filterable, name: string): FilterColumn | undefined {
  return table.byName.get(name) ?? table.columns.find((column) => column.name.toLowerCase() === name.toLowerCase());
}

function unknown(name: string, table: Filterable): string {
  const near = table.columns
    .map((column) => ({ name: column.name, far: distance(name.toLowerCase(), column.name.toLowerCase()) }))
    .sort((a, b) => a.far - b.far)[0];
  const hint =
    near && near.far <= Math.max(2, name.length / 3)
      ? ` Do you mean ${near.name}?`
      : ` The columns are ${table.columns.map((column) => column.name).join(", ")}.`;
  return `There is no column ${name}.${hint}`;
}

/** How many letters must change to make `b` of `a`. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + Number(a[i - 1] !== b[j - 1]));
    row = next;
  }
  return row[b.length]!;
}
