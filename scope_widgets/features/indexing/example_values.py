"""The activations of a latent on the tokens of one of its examples."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scope_widgets._types import Array
from scope_widgets.features.indexing.examples import BEFORE
from scope_widgets.features.indexing.files import IndexManifest
from scope_widgets.features.recording.joined_recordings import JoinedRecordings, digest_of_recording
from scope_widgets.features.sae.sae import SAE


def kept_values(arrays: Mapping[str, Array], j: int, at: int) -> Array:
    """Return what an index keeps of example `at` `[token]`: NaN where the latent fires and nobody kept how strongly."""
    window = arrays["example_window"][j, at]
    fires = (int(arrays["example_fires"][j, at]) >> np.arange(len(window))) & 1
    values = np.where(fires, np.nan, 0.0)
    values[BEFORE] = arrays["example_value"][j, at]
    kept: Array = values[window >= 0]
    return kept


def recorded_values(
    arrays: Mapping[str, Array], manifest: IndexManifest, j: int, at: int, sae: SAE, recordings: JoinedRecordings
) -> Array:
    """Return the activations on all tokens of example `at` `[token]`, encoded anew from the recordings.

    Raises
    ------
    ValueError
        For other recordings than those that the index is of.
    """
    if [digest_of_recording(one) for one in recordings.parts] != [one.digest for one in manifest.recordings]:
        raise ValueError("recordings= are not those that this index is of, in their order.")
    there = np.flatnonzero(arrays["example_window"][j, at] >= 0)
    rows = int(arrays["example_row"][j, at]) - BEFORE + there
    x = recordings.rows(manifest.layer, manifest.site)[rows]
    values: Array = sae.encode(x.to(sae.W_enc)).of_latent(j).detach().double().cpu().numpy()
    return values
