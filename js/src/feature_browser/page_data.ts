/** What Python answers of a latent, see `latent_page` there. */
export interface Line {
  /** 0 of the strongest quarter; null for one of the strongest of all. */
  quarter: number | null;
  sample: number;
  position: number;
  value: number;
  at: number;
  tokens: string[];
  /** null where the latent fires and nobody knows how strongly. */
  values: (number | null)[];
}

export interface Label {
  text: string;
  evidence: string;
  detection: number | null;
  null_detection: number | null;
  fuzzing: number | null;
  null_fuzzing: number | null;
  low: number | null;
  high: number | null;
  p: number | null;
  q: number | null;
  n: number;
  firing: number;
}

export interface Own {
  label: string;
  note: string;
}

export interface LatentPage {
  latent: number;
  count: number;
  mean: number;
  max: number;
  lines: Line[];
  tokens: [token: string, count: number, share: number, lift: number][];
  promotes: [token: string, logit: number][];
  suppresses: [token: string, logit: number][];
  neighbours: [latent: number, cosine: number][];
  partners: [latent: number, share: number, lift: number | null][];
  histogram: [low: number, high: number, count: number][];
  label: Label | null;
  /** What somebody wrote on it. */
  own: Own;
  /** The nearest latents of another autoencoder; `mutual` where this is the nearest to that in turn. */
  others: [latent: number, cosine: number, words: string, mutual: boolean][];
}
