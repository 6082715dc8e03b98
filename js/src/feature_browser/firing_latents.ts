/** What fires on a text, token by token. */
import { float32, int32 } from "../core/bytes";
import type { Answer } from "../core/requests";

export interface Fires {
  text: string;
  tokens: string[];
  /** Latents, the strongest first: by the token that is selected, else by their largest activation. */
  ranked(token: number | undefined): { latents: Int32Array; values: Float32Array };
  /** The activation of a latent on each token. */
  line(latent: number): Float32Array;
}

export function firesOf(text: string, { data, buffers }: Answer): Fires {
  const [places, latents, values] = [int32(buffers[0]!), int32(buffers[1]!), float32(buffers[2]!)];
  const tokens: string[] = data.tokens;
  const firings = new Map<number, number[]>();
  latents.forEach((latent, at) => {
    const known = firings.get(latent);
    if (known) known.push(at);
    else firings.set(latent, [at]);
  });
  return {
    text,
    tokens,
    ranked(token) {
      const most = (some: number[]): number =>
        some.reduce(
          (most, at) => (token === undefined || places[at] === token ? Math.max(most, values[at]!) : most),
          0,
        );
      const pairs = [...firings]
        .map(([latent, some]) => [latent, most(some)] as const)
        .filter(([, value]) => value > 0);
      pairs.sort((a, b) => b[1] - a[1] || a[0] - b[0]);
      return { latents: Int32Array.from(pairs, ([latent]) => latent), values: Float32Array.from(pairs, ([, v]) => v) };
    },
    line(latent) {
      const found = new Float32Array(tokens.length);
      for (const at of firings.get(latent) ?? []) found[places[at]!] = values[at]!;
      return found;
    },
  };
}
