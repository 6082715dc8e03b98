"""What a set of measured effects says of each head: mean, interval, and whether chance would do it too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scope_widgets._types import Array
from scope_widgets.experiments.statistics.rounding import settled
from scope_widgets.experiments.statistics.t_test import chance, two_sided

_DRAWS = 2000


@dataclass(frozen=True)
class Evidence:
    """Effects of all heads, all `[layer, head]`.

    Attributes
    ----------
    effect : ndarray
        Mean over the prompts.
    low, high : ndarray
        95 % interval, bootstrap over the prompts.
    p : ndarray
        Of a t-test against no effect, after Holm's correction for all heads tested; NaN where not tested, 1 for a head
        that was not measured on all prompts.
    effects : ndarray [layer, head, prompt]
        What was measured.
    """

    effect: Array
    low: Array
    high: Array
    p: Array
    effects: Array

    def found(self, min_effect: float, alpha: float) -> Array:
        """Say which heads have an effect, `[layer, head]` of bool."""
        return (np.abs(self.effect) >= min_effect) & (np.nan_to_num(self.p, nan=1.0) < alpha)


def evidence(effects: Array, tested: Array, seed: int, floor: float = 0.0) -> Evidence:
    """Weigh effects `[layer, head, prompt]` of the heads that were tested `[layer, head]`; up to `floor` is none.

    NaN where a head was not measured: it counts as a test, and its mean is over the other prompts.
    """
    effects = settled(effects, floor)
    n = effects.shape[-1]
    whole = np.asarray(np.isfinite(effects).all(-1))
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=_DRAWS) / n
    low, high, p = (np.full(tested.shape, np.nan) for _ in range(3))
    low[whole], high[whole] = np.percentile(effects[whole] @ weights.T, [2.5, 97.5], axis=-1)
    p[tested] = holm(np.where(whole[tested], chance(effects[tested]), 1.0))
    return Evidence(np.nanmean(effects, axis=-1), low, high, p, effects)


def prompts_needed(values: Array, tests: int, alpha: float) -> int:
    """Return with about how many prompts like these `[prompt]` a mean would be significant at `alpha` among `tests`."""
    n = len(values)
    ratio = abs(values.mean()) / values.std(ddof=1)
    while tests * two_sided(ratio * n**0.5, n - 1) >= alpha:
        n += 1 + n // 20
    return n


def holm(p: Array) -> Array:
    """Correct p-values [test] for their number (Holm 1979)."""
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(steps, 1.0)
    return corrected
