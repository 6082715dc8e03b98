"""`EdgeEvidence`: what ablations said of each edge of a circuit, prompt by prompt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scope_widgets._types import Array


@dataclass(frozen=True, eq=False)
class EdgeEvidence:
    """What an ablation of each edge's sender did to its receiver.

    Attributes
    ----------
    effects : ndarray [edge, prompt]
        How far the receiver fell (negative: rose), in its own units; NaN where it was not measured.
    attribution : ndarray [edge]
        The estimate by a gradient (activation times gradient) that chose the edge, mean over prompts. It is of all
        paths, the effects of those past the later parents only.
    activation : ndarray [edge]
        What the receiver is before, mean over prompts.
    low, high : ndarray [edge]
        95 % interval of the mean effect, bootstrap over prompts; NaN with one prompt.
    p : ndarray [edge]
        Of no effect (t-test over prompts); of a latent or an error whose effect is large enough, the larger of it and
        of p that a random direction of the same norm has such an effect. Corrected for the edges tried of the receiver
        (Bonferroni).
    p_null : ndarray [edge]
        The second of these alone, of heads and MLPs too; NaN where no random directions were drawn.
    null : ndarray [edge]
        Mean absolute effect of the random directions; NaN where the effect itself was too small or not significant.
    depth : ndarray of int [edge]
        1 for an edge into what was traced back, 2 for one into its parents, ...
    """

    effects: Array
    attribution: Array
    activation: Array
    low: Array
    high: Array
    p: Array
    p_null: Array
    null: Array
    depth: Array

    def columns(self) -> dict[str, Array]:
        """Return its columns of a table of edges."""
        names = ("attribution", "activation", "low", "high", "p", "p_null", "null", "depth")
        return {name: getattr(self, name) for name in names}

    def check(self, n_edges: int, n_prompts: int) -> None:
        """Raise ValueError where arrays that were read do not belong to so many edges and prompts."""
        wrong = [name for name, one in self.columns().items() if one.shape != (n_edges,)]
        if wrong or self.effects.shape != (n_edges, n_prompts):
            raise ValueError(f"{', '.join(wrong) or 'effects'} of its evidence are not of its {n_edges:,} edges")
        for p in (self.p, self.p_null):
            if not np.all(np.isnan(p) | ((p >= 0) & (p <= 1))):
                raise ValueError("a p of its evidence is not between 0 and 1")


def clusters_of(effects: Array, least: float) -> list[list[int]]:
    """Return rows of `effects` `[row, prompt]` whose correlation is at least `least`, joined over one another.

    Prompts in which one of two was not measured are left out of their correlation. The largest cluster is first.
    """
    n = len(effects)
    home = list(range(n))
    for one in range(n):
        for other in range(one):
            if _correlation(effects[one], effects[other]) >= least:
                home = [home[other] if at == home[one] else at for at in home]
    found = [[at for at in range(n) if home[at] == name] for name in dict.fromkeys(home)]
    return sorted(found, key=len, reverse=True)


def _correlation(one: Array, other: Array) -> float:
    both = np.isfinite(one) & np.isfinite(other)
    if both.sum() < 3 or not one[both].std() or not other[both].std():
        return 0.0
    return float(np.corrcoef(one[both], other[both])[0, 1])
