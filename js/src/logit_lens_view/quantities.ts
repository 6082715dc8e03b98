/** The quantities that colours and lines show: their names, and their values as text. */
import { exact } from "../core/format";
import { plain } from "../core/tokens";
import type { Colour, Lens } from "./lens";

/** In a cell there is room for two or three digits. */
export function cellNumber(value: number, colour: Colour): string {
  if (Number.isNaN(value)) return "NaN";
  if (colour === "rank") return rankText(Math.round(1 / value) - 1);
  if (value === Infinity) return "∞";
  return colour === "entropy" || colour === "kl"
    ? value.toFixed(value < 10 ? 2 : 1)
    : value < 0.005 && value > 0
      ? "<.01"
      : value.toFixed(2).replace(/^0/, "");
}

/** A rank counted from 1, as people count. */
export const rankText = (rank: number): string => (rank + 1).toLocaleString("en");

/** A reciprocal rank as the legend writes it; beyond its last one ranks are not told apart. */
export const legendRank = (value: number): string =>
  value <= 1e-4 ? "≥10k" : 1 / value >= 1e4 ? "10k" : Math.round(1 / value).toLocaleString("en");

/** Three decimals, so that numbers stand under each other. */
export const briefProbability = (value: number): string => (value > 0 && value < 5e-4 ? "<.001" : value.toFixed(3));

export const nats = (value: number | undefined): string =>
  value === undefined ? "…" : `${value === Infinity ? "∞" : value.toFixed(3).replace("-", "−")} nats`;

export function colourName(lens: Lens, colour: Colour, token: number | null): string {
  const word = token === null ? "" : plain(lens.text(token), 16);
  return {
    probability: "probability of the top token",
    entropy: "entropy, nats",
    kl: "KL(output ‖ layer), nats",
    rank: `rank of ${word}`,
    token_probability: `probability of ${word}`,
  }[colour];
}

/** The value that the colours show, exactly. */
export const exactValue = (value: number | undefined, colour: Colour): string =>
  value === undefined ? "…" : colour === "rank" ? rankText(Math.round(1 / value) - 1) : exact(value);
