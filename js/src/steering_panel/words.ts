/** Numbers in words. */

/** "0.919", "4.2e−6". */
export function probability(p: number): string {
  if (p >= 0.0005 || p === 0) return p.toFixed(3);
  return p.toExponential(1).replace("e-", "e−");
}

/** In three digits, with its sign where it is a difference: "+2.53", "−0.04". */
export const signed = (value: number): string => (value < 0 ? "−" : value > 0 ? "+" : "") + fixed(Math.abs(value));

/** In three digits: "0.83", "12.4", "4.1e−5". */
export const fixed = (value: number): string => {
  const size = Math.abs(value);
  if (size > 0 && size < 0.01)
    return (size < 1e-4 ? value.toExponential(1) : Number(value.toPrecision(2)).toString()).replaceAll("-", "−");
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2).replace("-", "−");
};

export const ordinal = (rank: number): string => {
  const n = rank + 1;
  const end = n % 100 >= 11 && n % 100 <= 13 ? "th" : ({ 1: "st", 2: "nd", 3: "rd" }[n % 10] ?? "th");
  return `${n.toLocaleString("en")}${end}`;
};

/** A place in few characters: "12", "4,310", "43k". */
export const shortPlace = (rank: number): string =>
  rank + 1 < 10_000 ? (rank + 1).toLocaleString("en") : `${Math.round((rank + 1) / 1000)}k`;

/** The prompt as text; a tokenizer of words leaves the spaces between them out. */
export const promptText = (tokens: readonly string[]): string =>
  tokens.join(tokens.slice(1).some((token) => token.startsWith(" ")) ? "" : " ");
