"""What is known of each latent from the rows that it fires in, of many latents at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch import Tensor

from scope_widgets._progress import tqdm
from scope_widgets._types import Array
from scope_widgets.features.indexing.by_latent import ByLatent
from scope_widgets.features.indexing.examples import BEFORE, N_TOP, OF_EACH, Chooser, Contexts
from scope_widgets.features.indexing.files import N_BINS
from scope_widgets.features.indexing.random_contexts import WINDOW
from scope_widgets.features.indexing.top_tokens import top_tokens

#: latents, and activations of them, that are looked at together
_LATENTS, _ACTIVATIONS = 1024, 2**21
#: activations are counted in bins of log10(activation / largest), from this to 0; what is less is in the first
LOWEST = -2.0


def summarise(
    arrays: dict[str, Tensor],
    codes: ByLatent,
    contexts: Contexts,
    token_ids: Array,
    positions: Array,
    seed: int,
    progress: bool,
) -> None:
    """Write into the arrays of an index what is known of each latent that fires.

    Beside them it holds some numbers a row, and some for each of the activations that are looked at together.
    """
    into = {name: value.numpy() for name, value in arrays.items()}
    counts = np.diff(codes.starts)
    into["count"][:] = counts
    counts_of_all = np.bincount(token_ids)
    chooser = Chooser(contexts, seed)
    alive = counts.nonzero()[0]
    with tqdm(total=len(alive), unit=" latents", disable=not progress, leave=False) as bar:
        for latents in _together(alive, counts):
            here = slice(int(codes.starts[latents[0]]), int(codes.starts[latents[-1] + 1]))
            rows, values = codes.rows[here], codes.values[here]
            of = np.repeat(np.arange(len(latents)), counts[latents])
            _write_activations(into, latents, of, values)
            ids, found, lifts = top_tokens(of, token_ids[rows], counts_of_all, into["token"].shape[1])
            into["token"][latents], into["token_count"][latents], into["token_lift"][latents] = ids, found, lifts
            _write_examples(into, latents, counts[latents], rows, values, chooser, contexts, positions)
            _write_firing(into, latents, of, rows, len(token_ids))
            bar.update(len(latents))


def _together(alive: Array, counts: Array) -> Iterator[Array]:
    """Yield latents one after the other, so many that neither they nor their activations are too many, or one."""
    ends = np.cumsum(counts[alive])
    start = 0
    while start < len(alive):
        before = ends[start - 1] if start else 0
        stop = int(np.searchsorted(ends, before + _ACTIVATIONS, side="right"))
        stop = max(start + 1, min(stop, start + _LATENTS))
        yield alive[start:stop]
        start = stop


def _write_activations(into: dict[str, Array], latents: Array, of: Array, values: Array) -> None:
    """Write mean, largest, and how many are in each bin of the logarithm of their share of the largest."""
    starts = np.searchsorted(of, np.arange(len(latents)))
    largest = np.maximum.reduceat(values, starts)
    into["max"][latents] = largest
    into["mean"][latents] = np.add.reduceat(values, starts, dtype=np.float64) / np.bincount(of)
    shares = values / largest[of]
    at = np.floor((np.log10(shares) - LOWEST) / -LOWEST * N_BINS).astype(int)
    bins = of * N_BINS + np.clip(at, 0, N_BINS - 1)
    into["histogram"][latents] = np.bincount(bins, minlength=len(latents) * N_BINS).reshape(-1, N_BINS)


def _write_examples(
    into: dict[str, Array],
    latents: Array,
    counts: Array,
    rows: Array,
    values: Array,
    chooser: Chooser,
    contexts: Contexts,
    positions: Array,
) -> None:
    """Write the strongest examples, and those of each quarter of the activations."""
    # the strongest first, then the smaller row: activations are above 0, so their bits are in their order
    keys = (0x7FFFFFFF - values.view(np.int32).astype(np.int64)) << 32 | rows
    places = np.full((len(latents), into["example_row"].shape[1]), -1)
    start = 0
    for latent, count in enumerate(counts.tolist()):
        own = keys[start : start + count]
        own.sort()
        top, of_quarters = chooser.choose(own & 0xFFFFFFFF)
        places[latent, : len(top)] = top
        for quarter, found in enumerate(of_quarters):
            at = N_TOP + quarter * OF_EACH
            places[latent, at : at + len(found)] = found
        places[latent][places[latent] >= 0] += start
        start += count
    there = places >= 0
    chosen = keys[places[there]]
    here = chosen & 0xFFFFFFFF
    where = latents[there.nonzero()[0]], there.nonzero()[1]
    into["example_row"][where] = here
    into["example_value"][where] = (0x7FFFFFFF - (chosen >> 32)).astype(np.int32).view(np.float32)
    into["example_sample"][where] = contexts.samples[here]
    into["example_position"][where] = positions[here]
    into["example_window"][where] = contexts.windows(here)


def _write_firing(into: dict[str, Array], latents: Array, of: Array, rows: Array, n_rows: int) -> None:
    """Write on which tokens of the windows around its examples each latent fires."""
    room = n_rows + 2 * WINDOW  # so that what lies before the first row, or behind the last, is no other latent's
    fired = of * room + rows + WINDOW
    there = into["example_row"][latents] >= 0
    at, example = there.nonzero()
    around = into["example_row"][latents[at], example][:, None] + np.arange(-BEFORE, WINDOW - BEFORE)
    wanted = at[:, None] * room + around + WINDOW
    found = fired[np.searchsorted(fired, wanted).clip(0, len(fired) - 1)] == wanted
    windows = into["example_window"][latents[at], example]
    into["example_fires"][latents[at], example] = ((found & (windows >= 0)) << np.arange(WINDOW)).sum(1)
