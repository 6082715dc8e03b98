"""Detection of the IOI heads of a model, class by class, by what they cause."""

from __future__ import annotations

from dataclasses import replace

from scope_widgets._partial_result import result_or_interrupt
from scope_widgets._reproducing_calls import python_call
from scope_widgets._seeds import seed_of
from scope_widgets._types import Array
from scope_widgets.experiments.statistics.rounding import settled
from scope_widgets.experiments.statistics.t_test import chance
from scope_widgets.ioi.dataset.prompt_set import IOIPrompts
from scope_widgets.ioi.detection.head_search import HeadSearch
from scope_widgets.ioi.detection.model_runs import DetectionRuns, check_prompts
from scope_widgets.ioi.detection.result import IOIResult
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable

#: prompts below which neither an interval nor a test says much
_FEWEST = 8


@remotable
def detect(
    scope: Microscope,
    prompts: IOIPrompts,
    *,
    min_effect: float = 0.02,
    min_direct: float = 0.05,
    alpha: float = 0.05,
    seed: int | None = 0,
) -> IOIResult:
    """Find the heads of the IOI circuit in the order of Wang et al. 2022, by path patching with the ABC prompts.

    1. Direct effect on the logits from the last position: name movers, and with the other sign negative ones; also
       subject suppressors, which the paper does not have: they read the subject and write against it.
    2. Paths into the queries of name movers and suppressors: S-inhibition heads.
    3. Paths from the second subject into the S-inhibition heads' keys and values: induction and duplicate-token heads.
    4. Paths from the token after the first subject into the induction heads' keys: previous-token heads; the same from
       the token after a name where name movers read it there.
    5. Direct effect that appears only when those of 1 with a positive effect are ablated: backup name movers.

    A head counts where its effect is at least `min_effect` of the logit difference (`min_direct` in 1) and chance is
    ruled out at `alpha` after Holm's correction. It gets the class's name by what carries the effect: the name, the
    indirect object's or the subject's, whose exchange for another in what the head reads takes at least half of it
    away, and for the classes of 3 and 4 the position at which it is read. Otherwise it is "unclassified". Where it
    attends stands beside that.

    Parameters
    ----------
    scope : Microscope
    prompts : IOIPrompts
        Clean ones, of `ioi.prompts`; 50 are enough for clear heads.
    min_effect : float, default 0.02
        The paper's 2 % for backups, here for all classes but the first.
    min_direct : float, default 0.05
        Of the first: what does less by itself is told apart from backups by chance, another way on other prompts.
    alpha : float, default 0.05
        Level of significance, after correction.
    seed : int or None, default 0
        Of the ABC names, the bootstrap and the random heads that are ablated for comparison.

    Returns
    -------
    IOIResult
        Without heads, with a message, where the model does not prefer the indirect object. Interrupted (Ctrl-C): with
        the classes that were finished, and in `direct` the direct effects that were measured.

    Raises
    ------
    TypeError, ValueError
        For prompts that are no `IOIPrompts`, corrupted, made for another model, or too few.

    References
    ----------
    Wang et al. 2022 (arXiv 2211.00593), section 3.

    Examples
    --------
    >>> result = ioi.detect(scope, ioi.prompts(scope, n=20, seed=0))
    >>> result.of("name_mover")
    [(3, 1)]
    """
    seed = seed_of(seed)
    _check(scope, prompts)
    runs = DetectionRuns(scope, prompts, seed)
    p_behaviour = _one_sided(settled(runs.m_clean, runs.floor))
    search = HeadSearch(runs, min_effect, min_direct, alpha, seed)
    if p_behaviour >= 0.01 or runs.scale <= runs.floor:
        search.message = (
            f"This model does not do IOI on these prompts: its mean logit difference is {runs.m_clean.mean():.2f} "
            f"(p = {p_behaviour:.2g} that it is not above 0), and {runs.m_abc.mean():.2f} on ABC prompts. There is "
            "nothing whose share a head could have, so no head was looked for."
        )
        return search.result(p_behaviour)
    try:
        search.run()
    except KeyboardInterrupt as interrupt:
        search.message = f"Interrupted {interrupt}".rstrip() + ": classes after those in the table were not looked for."
        return result_or_interrupt(search.result(p_behaviour), search.message)
    found = search.result(p_behaviour)
    if not prompts.calls:
        return found
    options = {"min_effect": min_effect, "min_direct": min_direct, "alpha": alpha, "seed": seed}
    call = python_call("ioi.detect", "scope", "prompts", **options)
    return replace(found, provenance=replace(found.provenance, calls=(*prompts.calls, call)))


def _one_sided(values: Array) -> float:
    """Return the p of a mean of 0 or less."""
    p = float(chance(values))
    return p / 2 if values.mean() > 0 else 1 - p / 2


def _check(scope: Microscope, prompts: IOIPrompts) -> None:
    check_prompts(scope, prompts, "detect()")
    if len(prompts) < _FEWEST:
        raise ValueError(
            f"{len(prompts)} prompts are too few to tell an effect from chance: give {_FEWEST} at least, better 50."
        )
