"""`probe`: how well a few latents tell two classes of texts apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scope_widgets._provenance import Provenance
from scope_widgets._seeds import seed_of
from scope_widgets._types import Array
from scope_widgets.experiments.probes.class_labels import two_classes
from scope_widgets.experiments.probes.logistic import fit
from scope_widgets.experiments.statistics.wilson_interval import wilson
from scope_widgets.features.evaluation.measured_texts import read_texts
from scope_widgets.features.probing.f_scores import f_scores
from scope_widgets.features.probing.pooled_activations import columns, halves, pooled
from scope_widgets.features.probing.sparse_probes import SparseProbes
from scope_widgets.features.sae.check_model import warn_of_another_model
from scope_widgets.features.sae.sae import SAE
from scope_widgets.models.microscope import Microscope

if TYPE_CHECKING:
    from scipy.sparse import csr_array

#: texts of a class without which nothing is told
_LEAST = 4


def probe(
    scope: Microscope,
    sae: SAE,
    texts: Sequence[str] | Sequence[list[int]],
    labels: Sequence[bool] | Sequence[int] | Sequence[str],
    *,
    k: Sequence[int] | int = (1, 2, 5),
    context: int | None = None,
    special_tokens: bool = False,
    penalty: float = 1.0,
    seed: int = 0,
    progress: bool = True,
) -> SparseProbes:
    """Tell two classes of texts apart by a few latents, and by as few random latents, and by all activations.

    Activations are averaged over the tokens of a text. On half of the texts of each class the `k` latents are chosen
    that differ most between them (the F of an analysis of variance), and a logistic regression is fitted, on columns of
    mean 0 and variance 1; the other half is scored. Equal texts are in one half. Random latents are those of
    `features.evaluate`: as many directions at random, of which as many fire; they are chosen and fitted alike.

    Parameters
    ----------
    scope : Microscope
        The model that it is of; of another one (a null, say) a warning says so.
    sae : SAE
    texts : sequence of str or of token ids
    labels : sequence of bool, int or str
        One of each text, of two kinds.
    k : int or sequence of int, default (1, 2, 5)
        Latents of a probe.
    context : int, optional
        Tokens that the model reads at once; by default 256, or the model's context where that is less.
    special_tokens : bool, default False
        Average over special tokens too, and over those of massive norm (ten times the median), the first of a text.
    penalty : float, default 1.0
        Of half the squared weights, against the sum of the losses of the texts.
    seed : int, default 0
        Of the halves, and of the random latents.
    progress : bool, default True
        Show a bar of tokens.

    Returns
    -------
    SparseProbes

    Raises
    ------
    ValueError
        For labels that are not two kinds, one a text; too few texts of a class; texts without a token; an SAE that does
        not say its layer.

    References
    ----------
    Gurnee et al. 2023 (sparse probing); Karvonen et al. 2025 (SAEBench).

    Examples
    --------
    >>> rec = features.record(scope, ["Mary gave John a book", "the dog runs"] * 20, layers=2, folder=folder)
    >>> sae = features.train(rec, layer=2, d_sae=64, k=4, steps=20, batch=64)
    >>> names = ["Mary", "John", "Anna", "Tom"]
    >>> texts = [f"{name} {verb}" for verb in ("sings", "likes the dog") for name in names]
    >>> found = features.probe(scope, sae, texts, [False] * 4 + [True] * 4, k=[1])
    >>> found.probe, found.n
    (('latents', 'random latents', 'dense'), 4)
    """
    seed = seed_of(seed)
    classes, truth = two_classes(labels, len(texts))
    if sae.layer is None:
        raise ValueError(f"{sae!r} does not say of which layer it is: dataclasses.replace(sae, layer=...).")
    warn_of_another_model(scope.model_id, sae)
    sizes = _checked_sizes(k, sae.d_sae)
    if not penalty > 0:
        raise ValueError(f"penalty= is a number above 0; got {penalty!r}.")
    data = read_texts(scope, texts, "text", context, 2**62, special_tokens)
    read = {sample.document for sample in data.samples}
    if missing := [at for at in range(len(texts)) if at not in read]:
        raise ValueError(f"Text {missing[0]} has no token, or special tokens only: leave it and its label out.")
    means = pooled(scope, sae, data, seed, progress, massive=special_tokens)
    ids: list[tuple[int, ...]] = [()] * len(texts)
    for sample in data.samples:
        ids[sample.document] += tuple(sample.token_ids)
    fits = halves(truth, ids, seed)
    _check_halves(truth, fits)
    rows: list[tuple[str, int, tuple[int, ...], int]] = []
    for name, x in (("latents", means.latents), ("random latents", means.random)):
        best = _best(x, truth, fits, max(sizes))
        for size in sizes:
            rows.append(
                (name, size, tuple(best[:size].tolist()), _right(columns(x, best[:size]), truth, fits, penalty))
            )
    rows.append(("dense", sae.d_in, (), _right(means.dense, truth, fits, penalty)))
    n = int((~fits).sum())
    intervals = np.array([wilson(right / n, n) for *_, right in rows])
    note = (
        f"{sae!r}. Means over the tokens of each text; latents by F and logistic regressions of {int(fits.sum())} "
        f"texts, scored on {n} others"
    )
    return SparseProbes(
        probe=tuple(name for name, *_ in rows),
        k=np.array([size for _, size, *_ in rows]),
        accuracy=np.array([right / n for *_, right in rows]),
        low=intervals[:, 0],
        high=intervals[:, 1],
        latents=tuple(chosen for *_, chosen, _ in rows),
        larger_class=float((truth[~fits] == (truth[fits].mean() > 0.5)).mean()),
        n=n,
        n_fitted=int(fits.sum()),
        classes=classes,
        provenance=Provenance(scope.model_id, scope.revision, seed=seed, note=note),
    )


def _checked_sizes(k: Any, d_sae: int) -> list[int]:
    """Return the sizes of probes."""
    given = [k] if isinstance(k, (int, np.integer)) else list(k) if isinstance(k, Iterable) else []
    if not given or not all(
        isinstance(one, (int, np.integer)) and not isinstance(one, bool) and 1 <= one <= d_sae for one in given
    ):
        raise ValueError(f"k= is a number of latents, or a list of some, 1 to {d_sae}; got {k!r}.")
    return [int(one) for one in given]


def _check_halves(truth: Array, fits: Array) -> None:
    for half, said in ((fits, "to fit"), (~fits, "to score")):
        least = min(int((truth & half).sum()), int((~truth & half).sum()))
        if least < _LEAST // 2:
            raise ValueError(
                f"Of one class there are {least} texts {said}, equal ones together: give {_LEAST} different texts of "
                "each at least."
            )


def _best(x: csr_array, truth: Array, fits: Array, n: int) -> Array:
    """Return the columns that differ most between the classes of the first half, the best first."""
    parts = [x[fits & (truth == value)] for value in (False, True)]
    sums, squares = (
        np.stack([np.asarray(part.sum(0)).ravel() for part in some])
        for some in (parts, [part.multiply(part) for part in parts])
    )
    scores = f_scores(sums, squares, np.array([part.shape[0] for part in parts]))
    return np.lexsort((np.arange(len(scores)), -scores))[:n]


def _right(x: Array, truth: Array, fits: Array, penalty: float) -> int:
    """Return how many texts of the second half a regression that is fitted on the first half gets right."""
    mean, std = x[fits].mean(0), x[fits].std(0)
    x = (x - mean) / np.where(std > 0, std, 1)
    weights, bias = fit(x[fits], truth[fits], penalty)
    return int(((x[~fits] @ weights + bias > 0) == truth[~fits]).sum())
