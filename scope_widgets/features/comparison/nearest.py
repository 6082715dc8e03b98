"""`nearest`: which latents of two autoencoders of one place write in the same direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scope_widgets._check_choice import checked_count
from scope_widgets._untrusted import opening
from scope_widgets.features.indexing.directions import nearest_rows
from scope_widgets.features.sae.sae import SAE

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class NearestLatents:
    """The nearest latents of two autoencoders, each of one in the other, by the cosine of their decoder rows.

    Attributes
    ----------
    latents : ndarray of int32 [latent, n]
        Of each latent of the first the nearest of the second, the nearest first.
    cosines : ndarray of float32 [latent, n]
    back_latents : ndarray of int32 [latent of the second, n]
        Of each latent of the second the nearest of the first.
    back_cosines : ndarray of float32 [latent of the second, n]
    """

    latents: np.ndarray[Any, np.dtype[np.int32]]
    cosines: np.ndarray[Any, np.dtype[np.float32]]
    back_latents: np.ndarray[Any, np.dtype[np.int32]]
    back_cosines: np.ndarray[Any, np.dtype[np.float32]]

    def __repr__(self) -> str:
        """Say how alike the two are."""
        there, back = self.mean_max_cosine
        mutual = int((self.mutual() >= 0).sum())
        return (
            f"NearestLatents({len(self.latents):,} and {len(self.back_latents):,} latents; mean of the largest cosine "
            f"{there:.2f} there, {back:.2f} back; {mutual:,} are each other's nearest)"
        )

    @property
    def mean_max_cosine(self) -> tuple[float, float]:
        """Mean over latents of the largest cosine with one of the other's: of the first, and of the second."""
        return float(self.cosines[:, 0].mean()), float(self.back_cosines[:, 0].mean())

    def mutual(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return of each latent of the first that of the second whose nearest it is in turn, -1 where there is none."""
        best = self.latents[:, 0].astype(np.int64)
        found: np.ndarray[Any, np.dtype[np.int64]] = np.where(
            self.back_latents[best, 0] == np.arange(len(best)), best, -1
        )
        return found

    def to_dataframe(self) -> pd.DataFrame:
        """Return a row a latent of the first: feature, nearest, cosine, mutual."""
        import pandas as pd

        return pd.DataFrame(
            {
                "feature": np.arange(len(self.latents)),
                "nearest": self.latents[:, 0],
                "cosine": self.cosines[:, 0],
                "mutual": self.mutual() >= 0,
            }
        )


def nearest(sae: SAE, other: SAE, *, n: int = 5) -> NearestLatents:
    """Find of each latent the nearest ones of another autoencoder of the same place, in both directions.

    Exact: all cosines are computed, in blocks.

    Parameters
    ----------
    sae, other : SAE
        Of one width, and of one layer and site where both say theirs. In `d` dimensions the cosine of directions at
        random is about `sqrt(2 ln(latents) / d)` for the nearest of many.
    n : int, default 5
        So many of each, fewer where the other has fewer.

    Returns
    -------
    NearestLatents

    Raises
    ------
    TypeError, ValueError
        For what are no SAEs, or SAEs of two places or widths.

    References
    ----------
    Mean of the largest cosine (MMCS): Sharkey et al. 2022.

    Examples
    --------
    >>> sae = features.load("demo")
    >>> found = features.nearest(sae, sae)
    >>> found.mutual()[:3].tolist(), round(found.mean_max_cosine[0], 3)
    ([0, 1, 2], 1.0)
    """
    for one in (sae, other):
        if not isinstance(one, SAE):
            raise TypeError(f"features.nearest compares two SAEs, as features.load returns them; got {opening(one)}.")
    n = checked_count("n", n)
    if sae.W_dec.shape[1] != other.W_dec.shape[1]:
        raise ValueError(f"{sae!r} writes {sae.W_dec.shape[1]} numbers and {other!r} {other.W_dec.shape[1]}.")
    places = [(one.output_site, one.layer) for one in (sae, other)]
    if places[0][0] != places[1][0] or (None not in (sae.layer, other.layer) and sae.layer != other.layer):
        raise ValueError(f"{sae!r} and {other!r} are of two places: decoder rows of one say nothing of the other.")
    there = nearest_rows(sae.W_dec, other.W_dec, min(n, other.d_sae))
    back = nearest_rows(other.W_dec, sae.W_dec, min(n, sae.d_sae))
    return NearestLatents(*(one.numpy() for one in (*there, *back)))
