"""Random contexts of a recording, shared by all latents: where each fires in them, and so where it does not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scope_widgets._types import Array
from scope_widgets.features.indexing.examples import BEFORE, BEHIND, Contexts
from scope_widgets.features.sae.sparse_codes import SparseCodes

#: tokens of a window; the first `LEAD` and the last one are there for the sake of those between them, the scored ones
WINDOW, LEAD = BEFORE + 1 + BEHIND, 2
SCORED = slice(LEAD, WINDOW - 1)
#: contexts, and tokens of them with the latents that fire on each, at most
_MOST, _MOST_FIRES = 1024, 2**22


@dataclass(frozen=True)
class RandomContexts:
    """Contexts that do not overlap, drawn from all of a recording.

    Attributes
    ----------
    windows : ndarray of int32 [context, WINDOW]
        Token ids, -1 where the sample has none.
    samples : ndarray of int32 [context]
    rows : ndarray of int64 [context]
        Of the first scored token, in the recording.
    starts : ndarray of int64 [latent + 1]
        Where each latent begins in `places`.
    places : ndarray of int32 [fires]
        `context * WINDOW + position` of the tokens that it fires on, ascending.
    """

    windows: Array
    samples: Array
    rows: Array
    starts: Array
    places: Array

    def fires(self, latent: int) -> Array:
        """Return where a latent fires, bool `[context, WINDOW]`."""
        found = np.zeros(self.windows.shape, dtype=bool)
        found.flat[self.places[self.starts[latent] : self.starts[latent + 1]]] = True
        return found

    def apart_from(self, rows: Array, samples: Array) -> Array:
        """Return which contexts share no scored token with the windows around rows of samples, bool `[context]`."""
        # two stretches of one length in one sample share tokens where they begin less than that length apart
        near = np.abs(self.rows[:, None] - (rows - BEFORE + LEAD)) < SCORED.stop - SCORED.start
        apart: Array = ~np.any(near & (self.samples[:, None] == samples), axis=1)
        return apart

    def tensors(self) -> dict[str, Tensor]:
        """Return what `of_tensors` takes."""
        return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in vars(self).items()}

    @classmethod
    def of_tensors(cls, given: dict[str, Tensor], n_latents: int) -> RandomContexts:
        """Return the contexts of tensors that a file holds; raise ValueError where they are none."""
        windows, starts, places = (given[name] for name in ("windows", "starts", "places"))
        dtypes = {"windows": torch.int32, "samples": torch.int32, "rows": torch.int64}
        dtypes |= {"starts": torch.int64, "places": torch.int32}
        for name, dtype in dtypes.items():
            if given[name].dtype != dtype:
                raise ValueError(f"{name} is of {given[name].dtype}")
        n = len(windows)
        shapes = {"windows": (n, WINDOW), "samples": (n,), "rows": (n,), "starts": (n_latents + 1,)}
        if any(tuple(given[name].shape) != shape for name, shape in shapes.items()) or places.ndim != 1:
            raise ValueError("its arrays are of other shapes")
        if starts[0] != 0 or starts[-1] != len(places) or (starts.diff() < 0).any():
            raise ValueError("starts do not ascend from 0 to the number of places")
        if len(places) and not (places.min() >= 0 and places.max() < windows.numel()):
            raise ValueError("places are of contexts that there are not")
        return cls(**{name: given[name].numpy() for name in dtypes})


def draw_contexts(codes: SparseCodes, contexts: Contexts, seed: int) -> RandomContexts:
    """Return random contexts of the rows of a recording, no two with the same tokens.

    Every sample is cut into stretches of scored tokens, of which some are drawn.
    """
    samples = contexts.samples
    begins = np.flatnonzero(np.r_[True, samples[1:] != samples[:-1]])
    length = SCORED.stop - SCORED.start
    within = np.arange(len(samples)) - np.repeat(begins, np.diff(np.r_[begins, len(samples)]))
    firsts = np.flatnonzero(within % length == 0)
    n = min(_MOST, max(1, int(_MOST_FIRES / max(1.0, codes.l0) / WINDOW)))
    drawn = np.random.default_rng(seed).permutation(firsts)[: 2 * n]
    _, once = np.unique(contexts.windows(drawn, LEAD, WINDOW - 1 - LEAD), axis=0, return_index=True)
    firsts = np.sort(drawn[np.sort(once)[:n]])
    windows = contexts.windows(firsts, LEAD, WINDOW - 1 - LEAD)
    of_windows = np.clip(firsts[:, None] + np.arange(-LEAD, WINDOW - LEAD), 0, len(samples) - 1).ravel()
    there = np.flatnonzero(windows.ravel() >= 0)
    columns = codes.to_scipy()[of_windows[there]].tocsc()
    columns.sort_indices()
    return RandomContexts(
        windows=windows,
        samples=samples[firsts].astype(np.int32),
        rows=firsts.astype(np.int64),
        starts=columns.indptr.astype(np.int64),
        places=there[columns.indices].astype(np.int32),
    )
