"""`compare`: the latents that fire otherwise on clean than on corrupted prompts, corrected for how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets._types import Array
from scope_widgets.experiments.statistics.multiple_comparisons import correct
from scope_widgets.experiments.statistics.t_test import t_test
from scope_widgets.features.feature_index.feature_index import FeatureIndex

if TYPE_CHECKING:
    import pandas as pd

#: pairs without which nothing is tested
_LEAST = 2
#: a difference of so much of an activation is none
_ROUNDING = 1e-4


@dataclass(frozen=True, eq=False, repr=False)
class FeatureComparison(Result):
    """Latents on clean and on corrupted prompts, those that fire on any of them.

    Attributes
    ----------
    feature : ndarray of int [feature]
        Latents, the surest first.
    clean, corrupted : ndarray [feature]
        Mean over prompts of the largest activation in each.
    p : ndarray [feature]
        Of no difference: t-test over pairs, but never below `2^(1 - pairs that differ)`; see `p_of_differences`.
    q : ndarray [feature]
        The same by Benjamini and Hochberg over all of them: of the features with q below .05 a twentieth is
        expected to be false.
    n_pairs : int
    provenance : Provenance
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.features:feature_comparison"

    feature: np.ndarray[Any, np.dtype[np.int64]]
    clean: np.ndarray[Any, np.dtype[np.float64]]
    corrupted: np.ndarray[Any, np.dtype[np.float64]]
    p: np.ndarray[Any, np.dtype[np.float64]]
    q: np.ndarray[Any, np.dtype[np.float64]]
    n_pairs: int
    provenance: Provenance

    def found(self, level: float = 0.05) -> list[int]:
        """Return the latents whose q is below a level."""
        return [int(one) for one in self.feature[self.q < level]]

    def _said(self) -> str:
        said = f"{len(self.feature):,} latents on {self.n_pairs:,} pairs, {len(self.found()):,} with q below .05"
        if not len(self.feature):
            return said
        change = f"{self.corrupted[0]:.3g} on corrupted and {self.clean[0]:.3g} on clean prompts, q {self.q[0]:.2g}"
        return f"{said}; surest: {self.feature[0]}, {change}"

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table of a row a latent: feature, clean, corrupted, difference, p, q."""
        import pandas as pd

        return pd.DataFrame(
            {
                "feature": self.feature,
                "clean": self.clean,
                "corrupted": self.corrupted,
                "difference": self.clean - self.corrupted,
                "p": self.p,
                "q": self.q,
            }
        )


def compare(
    index: FeatureIndex, clean: Sequence[str] | Sequence[list[int]], corrupted: Sequence[str] | Sequence[list[int]]
) -> FeatureComparison:
    """Find the latents that fire more, or less, on clean than on corrupted prompts.

    Parameters
    ----------
    index : FeatureIndex
        With its model and SAE, as `features.index` returns it, or `FeatureIndex.load(folder, scope=, sae=)`.
    clean, corrupted : list of str or of token ids
        Pairs: clean prompt `i` is compared with corrupted prompt `i`. Special tokens are left out.

    Returns
    -------
    FeatureComparison

    Raises
    ------
    ValueError
        For fewer than 2 pairs, numbers of prompts that differ, a prompt without a token, or an index without its model
        or SAE.
    TypeError
        For a text in the place of a list.

    References
    ----------
    Benjamini and Hochberg 1995.

    Examples
    --------
    >>> rec = features.record(scope, ["Mary gave John a book", "the dog runs"] * 20, layers=2, folder=folder / "rec")
    >>> sae = features.train(rec, layer=2, d_sae=64, k=4, steps=20, batch=64)
    >>> index = features.index(scope, sae, rec, folder=folder / "index")
    >>> same = ["Mary runs", "John runs", "the dog runs", "the horse runs"]
    >>> features.compare(index, same, same).found()
    []
    """
    if isinstance(clean, str) or isinstance(corrupted, str):
        raise TypeError("clean= and corrupted= are lists of prompts, one corrupted prompt a clean one; got one text.")
    sides: list[list[str | list[int]]] = [list(clean), list(corrupted)]
    if len(sides[0]) != len(sides[1]) or len(sides[0]) < _LEAST:
        raise ValueError(
            f"clean= and corrupted= are pairs, {_LEAST} at least; got {len(sides[0])} and {len(sides[1])} prompts."
        )
    values = index.strongest_of([*sides[0], *sides[1]]).reshape(2, len(sides[0]), -1).transpose(0, 2, 1)
    feature = np.flatnonzero(values.any((0, 2)))
    values = values[:, feature]
    differences = values[0] - values[1]
    differences[abs(differences) <= _ROUNDING * values.max(0)] = 0
    p = p_of_differences(differences)
    q = correct(p, method="bh")
    means = values.mean(2)
    order = np.lexsort((feature, -abs(means[0] - means[1]), p))
    scope = index.scope
    assert scope is not None
    note = f"{index.sae!r}; largest activation of each prompt, paired t-test, Benjamini-Hochberg over latents"
    prompts = tuple(one if isinstance(one, str) else scope.tokenizer.decode(one) for side in sides for one in side)
    return FeatureComparison(
        feature=feature[order],
        clean=means[0][order],
        corrupted=means[1][order],
        p=p[order],
        q=q[order],
        n_pairs=len(sides[0]),
        provenance=Provenance(scope.model_id, scope.revision, prompts=prompts, note=note),
    )


def p_of_differences(differences: Array) -> Array:
    """Return p of no difference, of differences `[latent, pair]`; 1 where none differs.

    That of the t-test, but never below what flipping signs could give with as many pairs that differ, `2^(1 - pairs)`:
    a few equal differences would make a t without bound.
    """
    n_differ = (differences != 0).sum(1)
    p = np.maximum(t_test(differences), 2.0 ** (1 - np.maximum(n_differ, 1)))
    return np.where(n_differ > 0, p, 1.0)
