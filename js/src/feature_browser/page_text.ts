/** How numbers of latents are written, and what others wrote on them. */

/** A share as percent: "1.2 %", "0.0031 %". */
export function percent(share: number): string {
  const value = 100 * share;
  if (value === 0) return "0 %";
  if (value >= 10) return `${value.toFixed(0)} %`;
  return `${value >= 0.001 ? value.toPrecision(2) : value.toExponential(0).replace("-", "−")} %`;
}
