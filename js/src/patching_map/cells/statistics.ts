/** Mean, standard error and plain interval of some values. */

export interface Statistics {
  n: number;
  mean: number;
  /** NaN for a single value. */
  error: number;
  /** Mean -+ 1.96 standard errors; the mean itself for a single value. */
  low: number;
  high: number;
}

export function statisticsOf(values: ArrayLike<number>): Statistics {
  const n = values.length;
  let mean = 0;
  for (let i = 0; i < n; i++) mean += values[i]! / n;
  let squares = 0;
  for (let i = 0; i < n; i++) squares += (values[i]! - mean) ** 2;
  const error = n > 1 ? Math.sqrt(squares / (n - 1) / n) : NaN;
  const reach = 1.96 * (error || 0);
  return { n, mean, error, low: mean - reach, high: mean + reach };
}
