"""Sums by document, from which every measure and its interval is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from scope_widgets._types import Array

#: sums of each document, [document] or [document, d]
Sums: TypeAlias = dict[str, Array]
_RESAMPLES = 1000


class Totals:
    """Sums by document, in float64."""

    def __init__(self, n_documents: int) -> None:
        self.sums: Sums = {}
        self._n = n_documents

    def add(self, documents: Tensor, values: Mapping[str, Tensor]) -> None:
        """Add values `[row]` or `[row, d]` to the sums of the documents `[row]` that the rows are of."""
        for name, value in values.items():
            if name not in self.sums:
                self.sums[name] = np.zeros((self._n, *value.shape[1:]))
            torch.from_numpy(self.sums[name]).index_add_(0, documents, value.double().cpu())

    def measures(self) -> dict[str, float]:
        """Return the measures over all documents."""
        return {name: float(value[0]) for name, value in measures_of(self._weighted(np.ones((1, self._n)))).items()}

    def intervals(self, seed: int) -> dict[str, tuple[float, float]]:
        """Return the 95 % interval of each measure, bootstrap over documents; NaN for a single document."""
        if self._n < 2:
            return dict.fromkeys(self.measures(), (np.nan, np.nan))
        drawn = np.random.default_rng(seed).multinomial(self._n, np.full(self._n, 1 / self._n), size=_RESAMPLES)
        found = measures_of(self._weighted(drawn.astype(np.float64)))
        return {name: _middle(value) for name, value in found.items()}

    def _weighted(self, weights: Array) -> Sums:
        return {name: weights @ value for name, value in self.sums.items()}


def _middle(drawn: Array) -> tuple[float, float]:
    known = drawn[np.isfinite(drawn)]
    if not len(known):
        return np.nan, np.nan
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def measures_of(sums: Sums) -> dict[str, Array]:
    """Return the measures that sums `[draw]` or `[draw, d]` make, each `[draw]`; see `scores.MEASURES`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        n = sums["rows"]
        variance = sums["squares"] - sums["values"] ** 2 / n[:, None]
        unexplained = sums["errors"].sum(1) / variance.sum(1)
        found = {
            "variance_explained": 1 - unexplained,
            "fvu": unexplained,
            "variance_explained_per_token": sums["explained_per_token"] / n,
            "mse": _mean_of_elements(sums["errors"], variance),
            "l0": sums["l0"] / n,
            "l1": sums["l1"] / n,
            "cosine": sums["cosine"] / n,
            "norm_ratio": sums["norm_ratio"] / n,
        }
        if "predictions" not in sums:
            return found
        m = sums["predictions"]
        ce, spliced, zero, mean = (sums[f"ce{name}"] / m for name in ("", "_spliced", "_zero", "_mean"))
        kl, kl_zero, kl_mean = (sums[f"kl{name}"] / m for name in ("_spliced", "_zero", "_mean"))
        return {
            "nats_lost": spliced - ce,
            "ce": ce,
            "ce_spliced": spliced,
            "ce_zero": zero,
            "ce_mean": mean,
            "ce_score_mean": (mean - spliced) / (mean - ce),
            "ce_score_zero": (zero - spliced) / (zero - ce),
            "kl": kl,
            "kl_zero": kl_zero,
            "kl_mean": kl_mean,
            "kl_score_mean": 1 - kl / kl_mean,
            "kl_score_zero": 1 - kl / kl_zero,
            **found,
        }


def _mean_of_elements(errors: Array, variance: Array) -> Array:
    """Return the mean over elements of error over variance `[draw]`, of those that vary; NaN where none does."""
    varies = variance > 1e-12 * variance.max(1, keepdims=True)
    shares = np.where(varies, errors / np.where(varies, variance, 1), 0)
    found: Array = shares.sum(1) / varies.sum(1)
    return found
