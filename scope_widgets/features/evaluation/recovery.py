"""How well the latents of an autoencoder are the features that were planted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scope_widgets.features.sae.sparse_codes import SparseCodes


@dataclass(frozen=True)
class Recovery:
    """How well directions that were found are those that were planted.

    Attributes
    ----------
    mean_max_cosine : float
        Mean over true features of the largest cosine with any latent (MMCS): several may have the same one.
    matched_cosine : float
        Mean cosine over true features with the latent that is theirs alone, of the matching with the largest sum
        (Hungarian); true features without a latent, where there are fewer latents, count 0.
    f1 : float
        Mean over true features of `2 both / (fires + true)`, rows in which the feature and its latent are above 0; NaN
        without codes.
    latents : tuple of int [feature]
        The latent of each true feature, -1 for none.
    """

    mean_max_cosine: float
    matched_cosine: float
    f1: float
    latents: tuple[int, ...]


def recovery(
    found: Tensor, true: Tensor, *, codes: SparseCodes | None = None, true_codes: SparseCodes | None = None
) -> Recovery:
    """Compare decoder rows with planted directions.

    Parameters
    ----------
    found : Tensor [latent, d]
        `sae.W_dec`.
    true : Tensor [feature, d]
        What was planted.
    codes, true_codes : SparseCodes, optional
        Of the same rows: what fires, and what was planted; for the F1 of firing.

    Returns
    -------
    Recovery

    Raises
    ------
    ValueError
        For shapes that do not belong together, or a direction of length 0 among the true ones.

    Examples
    --------
    >>> true = torch.eye(4)
    >>> found = features.recovery(torch.eye(4)[[2, 0, 1, 3]], true)
    >>> found.matched_cosine, found.latents
    (1.0, (1, 2, 0, 3))
    """
    from scipy.optimize import linear_sum_assignment

    _check(found, true, codes, true_codes)
    directions = [torch.nn.functional.normalize(one.detach().cpu().double(), dim=1) for one in (found, true)]
    cosines = (directions[1] @ directions[0].T).numpy()
    of, to = linear_sum_assignment(cosines, maximize=True)
    latents = torch.full((len(true),), -1)
    latents[torch.from_numpy(of)] = torch.from_numpy(to)
    return Recovery(
        mean_max_cosine=float(cosines.max(1).mean()),
        matched_cosine=float(cosines[of, to].sum() / len(true)),
        f1=float("nan") if codes is None or true_codes is None else _f1(codes, true_codes, latents),
        latents=tuple(latents.tolist()),
    )


def _f1(codes: SparseCodes, true_codes: SparseCodes, latents: Tensor) -> float:
    """Return the mean F1 of firing of true features and their latents."""
    feature_of = torch.full((codes.n_latents,), -1)
    feature_of[latents[latents >= 0]] = (latents >= 0).nonzero().flatten()
    features, rows = feature_of[codes.indices.cpu()], codes.rows.cpu()
    there = (features >= 0) & (codes.values.cpu() > 0)
    above = true_codes.values.cpu() > 0
    n = true_codes.n_latents
    fires = torch.unique(rows[there] * n + features[there])
    true = torch.unique(true_codes.rows.cpu()[above] * n + true_codes.indices.cpu()[above])
    both = fires[torch.isin(fires, true)]
    counts = [torch.bincount(one % n, minlength=n).double() for one in (both, fires, true)]
    return float((2 * counts[0] / (counts[1] + counts[2]).clamp_min(1)).mean())


def _check(found: Tensor, true: Tensor, codes: SparseCodes | None, true_codes: SparseCodes | None) -> None:
    if found.ndim != 2 or true.ndim != 2 or found.shape[1] != true.shape[1] or not len(found) or not len(true):
        raise ValueError(
            "Directions are [latent, d] and [feature, d] of one width; got shapes "
            f"{tuple(found.shape)} and {tuple(true.shape)}."
        )
    if (true.norm(dim=1) == 0).any():
        raise ValueError("One of the true directions has length 0, so that nothing can be like it.")
    if (codes is None) != (true_codes is None):
        raise ValueError("F1 of firing compares codes= with true_codes=: give both, of the same rows.")
    if codes is not None and true_codes is not None:
        if len(codes) != len(true_codes):
            raise ValueError(f"codes= has {len(codes):,} rows and true_codes= {len(true_codes):,}; they are the same.")
        if (codes.n_latents, true_codes.n_latents) != (len(found), len(true)):
            raise ValueError(
                f"codes= are of {codes.n_latents} latents and true_codes= of {true_codes.n_latents} features; the "
                f"directions are {len(found)} and {len(true)}."
            )
