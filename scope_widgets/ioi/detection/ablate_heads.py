"""What IOI loses without some heads, beside what it loses without as many others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from scope_widgets._provenance import Provenance
from scope_widgets._reproducing_calls import python_call
from scope_widgets._result import Result
from scope_widgets._seeds import seed_of
from scope_widgets._types import Array, Head
from scope_widgets.experiments.ablations import ablation_sentence
from scope_widgets.experiments.check_components import check_heads
from scope_widgets.experiments.statistics.rounding import share, vanishes
from scope_widgets.ioi.dataset.prompt_set import IOIPrompts
from scope_widgets.ioi.detection.model_runs import N_VERSIONS, DetectionRuns, check_prompts
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class HeadAblation(Result):
    """Shares of the mean logit difference that are lost without some heads.

    Attributes
    ----------
    heads : list of (layer, head)
    lost : float
        With these heads ablated together; NaN where there was none to lose, see `message`.
    lost_at_random : ndarray [draw]
        With as many random other heads of the same layers, or of the nearest where those have too few; empty where the
        model has.
    provenance : Provenance
    message : str
        Why there is no share; else empty.
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.ioi:head_ablation"

    heads: list[Head]
    lost: float
    lost_at_random: Array
    provenance: Provenance
    message: str = ""

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table, one row a set of heads: these first, then each random draw; with the share that is lost."""
        import pandas as pd

        names = " ".join(f"{layer}.{head}" for layer, head in self.heads)
        sets = [names, *(f"random {draw}" for draw in range(len(self.lost_at_random)))]
        return pd.DataFrame({"heads": sets, "lost": [self.lost, *self.lost_at_random.tolist()]})


@remotable
def ablate_heads(
    scope: Microscope,
    prompts: IOIPrompts,
    heads: Sequence[Head],
    *,
    avoid: Iterable[Head] = (),
    draws: int = 10,
    seed: int | None = 0,
) -> HeadAblation:
    """Ablate heads at the last position of IOI prompts, where name movers act.

    Their output z there is replaced by its mean over 4 ABC versions of the same prompt.

    Parameters
    ----------
    scope : Microscope
    prompts : IOIPrompts
        Clean ones, of `ioi.prompts`.
    heads : list of (layer, head)
        Ablated together.
    avoid : list of (layer, head), default ()
        Heads that the random draws leave alone beside these, such as all that a detection found.
    draws : int, default 10
        How many sets of random other heads are ablated for comparison.
    seed : int or None, default 0
        Of the ABC names and the random heads.

    Returns
    -------
    HeadAblation
        Shares of the mean logit difference that are lost: with these heads, and with each random set.

    Raises
    ------
    TypeError, ValueError
        For a head that the model lacks; for prompts that are corrupted or made for another model.

    References
    ----------
    Wang et al. 2022 (arXiv 2211.00593), section 3 and appendix on mean ablation.

    Examples
    --------
    >>> result = ioi.ablate_heads(scope, ioi.prompts(scope, n=8), [(3, 1)], draws=2)
    >>> bool(result.lost > 0.5 > abs(result.lost_at_random).max())
    True
    """
    seed = seed_of(seed)
    check_prompts(scope, prompts, "ablate_heads()")
    heads = check_heads(scope, heads, "heads= is a list of (layer, head) such as [(9, 6)]")
    avoid = tuple(avoid)
    found = measure_ablated_heads(DetectionRuns(scope, prompts, seed), heads, {*heads, *avoid}, draws, seed)
    if not prompts.calls:
        return found
    call = python_call("ioi.ablate_heads", "scope", "prompts", ("heads", heads), avoid=avoid, draws=draws, seed=seed)
    return replace(found, provenance=replace(found.provenance, calls=(*prompts.calls, call)))


def measure_ablated_heads(
    runs: DetectionRuns, heads: list[Head], avoid: set[Head], draws: int, seed: int
) -> HeadAblation:
    """Do what `ablate_heads` does, on runs that exist already."""
    before = float(runs.m_clean.mean())

    def lost(some: list[Head]) -> float:
        after = float(runs.logit_difference_without(some).mean())
        return float(share(before - after, before, runs.floor))

    rng = np.random.default_rng(seed)
    at_random = []
    for _ in range(draws):
        others = _others(heads, avoid, runs, rng)
        if others is not None:
            at_random.append(lost(others))
    names = " ".join(f"{layer}.{head}" for layer, head in heads)
    provenance = Provenance(
        model=runs.scope.model_id,
        revision=runs.scope.revision,
        prompts=tuple(runs.prompts.texts),
        seed=seed,
        ablation=ablation_sentence(
            f"heads {names}", "mean", reference=f"{N_VERSIONS} ABC versions of each prompt", positions="END"
        ),
    )
    message = (
        f"The mean logit difference is {before:.3g} with all heads, which is 0 up to rounding, so that no share of it "
        "can be lost."
    )
    return HeadAblation(
        heads, lost(heads), np.array(at_random), provenance, message if vanishes(before, runs.floor) else ""
    )


def _others(
    heads: Sequence[Head], avoid: set[Head], runs: DetectionRuns, rng: np.random.Generator
) -> list[Head] | None:
    """Draw as many other heads, each of the layer of one of these or the nearest that has any left; None: too few."""
    left = {
        (layer, head)
        for layer in range(runs.scope.n_layers)
        for head in range(runs.scope.n_heads)
        if (layer, head) not in avoid
    }
    drawn: list[Head] = []
    for layer, _ in heads:
        if not left:
            return None
        nearest = min(abs(other - layer) for other, _ in left)
        choice = sorted(one for one in left if abs(one[0] - layer) == nearest)
        drawn.append(choice[int(rng.integers(len(choice)))])
        left.discard(drawn[-1])
    return drawn
