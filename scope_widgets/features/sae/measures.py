"""Measures of a reconstruction and of codes, each under one name."""

from __future__ import annotations

import torch
from torch import Tensor

from scope_widgets.features.sae.sparse_codes import SparseCodes


def explained_variance(x: Tensor, reconstruction: Tensor) -> float:
    """Return `1 - E|x - x'|^2 / (E|x|^2 - |Ex|^2)`, in float64; FVU is 1 minus it.

    Examples
    --------
    >>> x = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    >>> explained_variance(x, 0.5 * x)
    0.75
    """
    x, reconstruction = x.double(), reconstruction.double()
    left, total = (x - reconstruction).square().sum(), (x - x.mean(0)).square().sum()
    return float(1 - left / total) if total > 0 else float("nan")


def mean_max_cosine(found: Tensor, true: Tensor) -> float:
    """Return the mean over true features `[feature, d]` of the largest cosine with a row of `found` `[latent, d]`."""
    found, true = (torch.nn.functional.normalize(one.double(), dim=1) for one in (found, true))
    return float((true @ found.T).amax(1).mean())


def matched_cosine(found: Tensor, true: Tensor) -> float:
    """Return the mean cosine over pairs of true features and rows of `found`, each row in one pair (Hungarian)."""
    from scipy.optimize import linear_sum_assignment

    found, true = (torch.nn.functional.normalize(one.double(), dim=1) for one in (found, true))
    cosines = (true @ found.T).numpy()
    rows, columns = linear_sum_assignment(-cosines)
    return float(cosines[rows, columns].mean())


def firing_f1(codes: SparseCodes, true: SparseCodes, pairs: list[tuple[int, int]]) -> float:
    """Return the mean F1 of a latent's firing as that of a feature's, over pairs of (latent, feature)."""
    fires, should = codes.to_dense() > 0, true.to_dense() > 0
    scores = []
    for latent, feature in pairs:
        both = (fires[:, latent] & should[:, feature]).sum()
        scores.append(float(2 * both / (fires[:, latent].sum() + should[:, feature].sum()).clamp_min(1)))
    return sum(scores) / len(scores)
