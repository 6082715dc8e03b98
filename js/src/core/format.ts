/** Numbers as text, each kind with one meaning in all views; minus signs are as wide as plus signs. */

const minus = (text: string): string => text.replaceAll("-", "−");

/** "32,491". */
export const count = (n: number): string => n.toLocaleString("en");

/** "1 edge", "2 edges". */
export const counted = (n: number, noun: string): string => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;

/** Two significant digits, for legends: "0", "0.05", "2e−4". */
export function short(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  return minus(
    value !== 0 && Math.abs(value) < 1e-3
      ? value.toExponential(1).replace(".0e", "e")
      : String(Number(value.toPrecision(2))),
  );
}

/** Six decimals, for tooltips and tables: of float32's seven digits what can be trusted. */
export function exact(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  return minus(value !== 0 && Math.abs(value) < 1e-4 ? value.toExponential(3) : value.toFixed(6));
}

/** Three significant digits without noughts at the end, for what stands still: "0.8", "−1.24". */
export const significant = (value: number): string =>
  minus(Math.abs(value) >= 100 ? value.toFixed(0) : Number(value.toPrecision(3)).toString());

/** Three significant digits, noughts too, for what changes under the eye: "0.80", "12.4", "4.1e−5". */
export function steady(value: number): string {
  const size = Math.abs(value);
  if (size > 0 && size < 0.01)
    return minus(size < 1e-4 ? value.toExponential(1) : Number(value.toPrecision(2)).toString());
  return minus(value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2));
}

/** The size of a score in four digits: "0", "3.2e−5", "0.0132", "1.204e3". */
export function fourDigits(size: number): string {
  if (size === 0) return "0";
  if (size < 1e-3) return minus(size.toExponential(1));
  return size < 10 ? size.toFixed(4) : size.toPrecision(4).replace("e+", "e");
}

/** With a sign unless it is 0, the size as `format` writes it: "+2.53", "−0.04", "0.00". */
export const signed = (value: number, format: (size: number) => string): string =>
  (value < 0 ? "−" : value > 0 ? "+" : "") + format(Math.abs(value));

/** Three decimals: "0.919", "4.2e−6". */
export const probability = (p: number): string => (p >= 0.0005 || p === 0 ? p.toFixed(3) : minus(p.toExponential(1)));

/** "0.65 %". */
export function share(part: number, whole: number): string {
  const percent = whole ? (100 * part) / whole : 0;
  if (percent === 0 || percent === 100) return `${percent} %`;
  return `${percent < 0.01 ? "< 0.01" : percent < 10 ? Number(percent.toPrecision(2)) : percent.toFixed(0)} %`;
}

/** "1st", "22nd", "4,310th"; ranks are counted from 0. */
export function ordinal(rank: number): string {
  const n = rank + 1;
  const end = n % 100 >= 11 && n % 100 <= 13 ? "th" : ({ 1: "st", 2: "nd", 3: "rd" }[n % 10] ?? "th");
  return count(n) + end;
}

/** A rank in few characters: "12", "4,310", "43k". */
export const shortRank = (rank: number): string =>
  rank + 1 < 10_000 ? count(rank + 1) : `${Math.round((rank + 1) / 1000)}k`;

/** "6 above": how much lies beyond the limits of a colour scale; "" where nothing does. */
export const aboveText = (clipped: number): string => (clipped ? `${count(clipped)} above` : "");
