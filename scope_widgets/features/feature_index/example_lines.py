"""`ExampleLine`: an example of a latent token by token, with how strongly the latent fires on each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scope_widgets._types import Array
from scope_widgets._untrusted import check_name
from scope_widgets.features.indexing.examples import BEFORE, N_TOP, OF_EACH
from scope_widgets.features.indexing.files import IndexManifest
from scope_widgets.features.indexing.random_contexts import WINDOW
from scope_widgets.features.recording.joined_recordings import JoinedRecordings, digest_of_recording
from scope_widgets.features.recording.mapped_rows import MappedRows
from scope_widgets.features.recording.recording import Recording
from scope_widgets.features.sae.gates import without_gate
from scope_widgets.features.sae.sae import SAE


@dataclass(frozen=True, eq=False)
class ExampleLine:
    """An example of what a latent fires on.

    Attributes
    ----------
    quarter : int or None
        Of its activations, 0 the strongest; None for one of the strongest of all.
    sample : int
        In the recording.
    position : int
        Of the token in the sample.
    value : float
        How strongly the latent fires on it.
    tokens : tuple of str
        Those around it.
    at : int
        Which of them it is.
    values : ndarray of float64 [token]
        How strongly the latent fires on each of them, 0 where it does not; NaN where it fires and the strength is not
        known, for it needs the recording and the SAE.
    """

    quarter: int | None
    sample: int
    position: int
    value: float
    tokens: tuple[str, ...]
    at: int
    values: Array


def example_lines(
    arrays: Mapping[str, Array], text: Callable[[int], str], j: int, sae: SAE | None, rows: MappedRows | None
) -> list[ExampleLine]:
    """Return the examples of a latent, the strongest first, then those of each quarter; see `FeatureIndex.lines`."""
    there = np.flatnonzero(arrays["example_row"][j] >= 0)
    windows = arrays["example_window"][j, there]
    fires = (arrays["example_fires"][j, there][:, None] >> np.arange(WINDOW)) & 1 == 1
    values = np.where(fires, np.nan, 0.0)
    values[:, BEFORE] = arrays["example_value"][j, there]
    if rows is not None and sae is not None:
        places = arrays["example_row"][j, there][:, None] + np.arange(WINDOW) - BEFORE
        unknown = np.isnan(values)
        values[unknown] = _strengths(sae, j, rows, places[unknown])
    return list(_lines(arrays, text, j, there, windows, values))


def _lines(
    arrays: Mapping[str, Array], text: Callable[[int], str], j: int, there: Array, windows: Array, values: Array
) -> Iterator[ExampleLine]:
    for row, (place, window) in enumerate(zip(there.tolist(), windows, strict=True)):
        inside = window >= 0
        yield ExampleLine(
            quarter=None if place < N_TOP else (place - N_TOP) // OF_EACH,
            sample=int(arrays["example_sample"][j, place]),
            position=int(arrays["example_position"][j, place]),
            value=float(arrays["example_value"][j, place]),
            tokens=tuple(text(one) for one in window[inside].tolist()),
            at=int(inside[:BEFORE].sum()),
            values=values[row, inside],
        )


def _strengths(sae: SAE, j: int, rows: MappedRows, places: Array) -> Array:
    """Return how strongly a latent fires in rows in which it does: what its activation function gets."""
    sae = without_gate(sae)
    alone = replace(
        sae,
        W_enc=sae.W_enc[:, j : j + 1],
        W_dec=sae.W_dec[j : j + 1],
        b_enc=sae.b_enc[j : j + 1],
        activation="relu",
        k=None,
        threshold=None,
    )
    weights = alone.to("cpu").to(rows[:1].float().dtype)
    found: Array = weights.pre_activations(rows[places].float())[:, 0].detach().numpy()
    return found.clip(min=0)


def recorded_rows(folder: Path | None, manifest: IndexManifest) -> MappedRows | None:
    """Return the rows that an index is of; None where its recordings are not there, or are others by now."""
    if folder is None:
        return None
    try:
        parts = [Recording.load(folder / check_name(one.folder)) for one in manifest.recordings]
        if [digest_of_recording(one) for one in parts] != [one.digest for one in manifest.recordings]:
            return None
        return JoinedRecordings(parts).rows(manifest.layer, manifest.site)
    except (OSError, ValueError):
        return None
