"""The numbers of all latents as the browser gets them: packed, so that 131,072 of them stay below 2 MB."""

from __future__ import annotations

import numpy as np

from scope_widgets._types import Array
from scope_widgets.features import FeatureIndex, NearestLatents
from scope_widgets.features.labelling.labels import UNLABELLED

#: what can be sorted by, and asked for in a filter
COLUMNS = ("latent", "rate", "mean", "max", "score", "dead", "other", "match")


def packed(index: FeatureIndex, of: Array, compared: NearestLatents | None) -> dict[str, bytes]:
    """Return the columns of some latents by the names of their traits.

    The mean is sent as the share of the largest activation that it is, which half precision holds to three digits.
    """
    count, most = index.arrays["count"][of], index.arrays["max"][of]
    shares = np.divide(index.arrays["mean"][of], most, out=np.zeros(len(of), np.float32), where=most > 0)
    scores = scores_of(index)
    cosines = None if compared is None else compared.cosines[of, 0]
    return {
        "others": b"" if cosines is None else np.rint(127.5 * (cosines.clip(-1, 1) + 1)).astype(np.uint8).tobytes(),
        "counts": count.clip(0, 2**32 - 1).astype("<u4").tobytes(),
        "maxima": most.astype("<f4").tobytes(),
        "means": shares.astype("<f2").tobytes(),
        "scores": b"" if scores is None else scores[of].astype("<f2").tobytes(),
    }


def scores_of(index: FeatureIndex) -> Array | None:
    """Return the detection of each latent's label, NaN of those that have none, None without labels."""
    labels = index.labels
    if labels is None:
        return None
    found = np.full(len(index), np.nan)
    labelled = np.array([label != UNLABELLED for label in labels.label], dtype=bool)
    found[labels.feature[labelled]] = labels.detection[labelled]
    return found


def column(index: FeatureIndex, name: str, of: Array, compared: NearestLatents | None) -> Array:
    """Return the numbers of a column, to sort by."""
    arrays = index.arrays
    if name == "score":
        scores = scores_of(index)
        return np.full(len(of), np.nan) if scores is None else scores[of]
    if name == "other":
        return np.full(len(of), np.nan) if compared is None else compared.cosines[of, 0].astype(np.float64)
    values: Array = {
        "latent": of,
        "rate": arrays["count"][of],
        "mean": arrays["mean"][of],
        "max": arrays["max"][of],
        "dead": arrays["count"][of] == 0,
    }[name]
    return values.astype(np.float64)
