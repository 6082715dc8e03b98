"""Mean activations of texts: of the model, of latents, and of random latents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from scope_widgets._progress import tqdm
from scope_widgets._types import Array
from scope_widgets.experiments.massive_activations import is_massive, largest_norm
from scope_widgets.features.evaluation.measured_texts import MeasuredTexts, values_at
from scope_widgets.features.evaluation.random_latents import random_latents
from scope_widgets.features.sae.sae import SAE
from scope_widgets.models.microscope import Microscope

if TYPE_CHECKING:
    from scipy.sparse import csr_array

#: tokens of one forward
_AT_ONCE = 2**12


@dataclass(frozen=True)
class Pooled:
    """Means over the tokens of each text that count.

    Attributes
    ----------
    dense : ndarray of float64 [text, d]
    latents, random : csr_array [text, latent]
    """

    dense: Array
    latents: csr_array
    random: csr_array


def pooled(scope: Microscope, sae: SAE, data: MeasuredTexts, seed: int, progress: bool, massive: bool) -> Pooled:
    """Return the means of all texts, from one forward over each; without `massive` of tokens of ordinary norm."""
    from scipy.sparse import csr_array, vstack

    assert sae.layer is not None
    n = data.n_documents
    dense, counts = np.zeros((n, sae.d_in)), np.zeros(n)
    parts: dict[str, list[csr_array]] = {"latents": [], "random": []}
    owners: list[Array] = []
    random: SAE | None = None
    largest: float | None = None
    with tqdm(total=data.n_rows, unit=" tokens", disable=not progress, leave=False) as bar:
        for batch in data.batches(_AT_ONCE):
            (values,) = values_at(scope, data.rows(batch), [(sae.site, sae.layer)])
            mask = data.mask(batch)
            bar.update(int(mask.sum()))
            if not massive:
                largest = largest_norm(values[mask]) if largest is None else largest
                mask = _ordinary(mask, values, largest)
            x = values[mask]
            of = np.array([data.documents[at] for at in batch])
            rows = np.repeat(np.arange(len(batch)), mask.sum(1).numpy())
            codes = sae.encode(x)
            if random is None:
                random = random_latents(sae, x, x.mean(0), min(sae.d_sae, max(1, round(codes.l0))), seed)
            adding = csr_array((np.ones(len(rows)), (rows, np.arange(len(rows)))), shape=(len(batch), len(rows)))
            np.add.at(dense, of, adding @ x.double().numpy())
            np.add.at(counts, of, mask.sum(1).numpy())
            parts["latents"].append(adding @ codes.to_scipy())
            parts["random"].append(adding @ random.encode(x).to_scipy())
            owners.append(of)
    of = np.concatenate(owners)
    mean = csr_array((1 / counts[of], (of, np.arange(len(of)))), shape=(n, len(of)))
    return Pooled(
        dense=dense / counts[:, None],
        **{name: csr_array(mean @ vstack(some)) for name, some in parts.items()},
    )


def _ordinary(mask: Tensor, values: Tensor, largest: float) -> Tensor:
    """Return which tokens of `mask` `[row, position]` are not massive; of a text that has no others all are."""
    ordinary = mask & ~is_massive(values, largest)
    return torch.where(ordinary.any(1, keepdim=True), ordinary, mask)


def columns(x: Array | csr_array, chosen: Array) -> Array:
    """Return some columns, dense."""
    some: Array = x[:, chosen] if isinstance(x, np.ndarray) else x[:, chosen].toarray()
    return some


def halves(labels: Array, ids: list[tuple[int, ...]], seed: int) -> Array:
    """Return which texts are of the first half: about half of each class, texts of the same tokens together."""
    first_of = {one: at for at, one in reversed(list(enumerate(ids)))}
    owner = np.array([first_of[one] for one in ids])
    found = np.zeros(len(labels), dtype=bool)
    rng = np.random.default_rng(seed)
    for value in (False, True):
        firsts = np.unique(owner[(labels == value) & (owner == np.arange(len(owner)))])
        found[rng.permutation(firsts)[: (len(firsts) + 1) // 2]] = True
    together: Array = found[owner]
    return together
