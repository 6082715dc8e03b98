/** How numbers of latents are written, and what others wrote on them. */
import { parts } from "../core/tokens";

/** A share as percent: "1.2 %", "0.0031 %". */
export function percent(share: number): string {
  const value = 100 * share;
  if (value === 0) return "0 %";
  if (value >= 10) return `${value.toFixed(0)} %`;
  return `${value >= 0.001 ? value.toPrecision(2) : value.toExponential(0).replace("-", "−")} %`;
}

const LONGEST = 2000;

/** A label with what draws nothing, or turns the text around it, made visible; spaces stay spaces. */
export const readable = (text: string): string =>
  text &&
  parts(text.slice(0, LONGEST))
    .map(({ text: part, dim }) => (dim ? part.replaceAll("·", " ") : part))
    .join("");
