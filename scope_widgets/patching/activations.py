"""Activation patching: the exact effect of each activation."""

from __future__ import annotations

from typing import Any

from tqdm.auto import tqdm

from scope_widgets._types import Roles
from scope_widgets.models.microscope import Microscope
from scope_widgets.patching.experiment import Experiment
from scope_widgets.patching.result import PatchingResult
from scope_widgets.patching.sweeps import Sweep


def sweep(
    scope: Microscope,
    clean: Any,
    corrupted: Any,
    *,
    answer: Any = None,
    versus: Any = None,
    over: str = "head",
    positions: Any = "each",
    direction: str = "denoising",
    metric: Any = None,
    roles: Roles | None = None,
    corrupted_roles: Roles | None = None,
    estimate: bool = True,
) -> Sweep:
    """Prepare a patching map that fills in as it is looked at: `widgets.PatchingMap(patching.sweep(...))`.

    The arguments are those of `activations`; `estimate=False` leaves the gradient's estimate out, by which the cells
    are ordered.
    """
    options = {"answer": answer, "versus": versus, "over": over, "positions": positions, "direction": direction,
               "metric": metric, "roles": roles, "corrupted_roles": corrupted_roles}  # fmt: skip
    return Sweep(Experiment(scope, clean, corrupted, options), estimate=estimate)


def activations(
    scope: Microscope,
    clean: Any,
    corrupted: Any,
    *,
    answer: Any = None,
    versus: Any = None,
    over: str = "head",
    positions: Any = "each",
    direction: str = "denoising",
    metric: Any = None,
    roles: Roles | None = None,
    corrupted_roles: Roles | None = None,
    resume: PatchingResult | None = None,
) -> PatchingResult:
    """Put each activation of one run into the other and measure what it changes: exact, one cell at a time.

    The effect is `(m(patched) - m(base)) / (m(source) - m(base))`, both sides means over the prompts: 0 where nothing
    changed, 1 where the metric became that of the run the activation came from.

    Parameters
    ----------
    scope : Microscope
    clean, corrupted : str, list of str, or token ids
        The prompt that shows the behaviour and the one that does not, or as many of each.
    answer, versus : str, token id, or list of these, one a prompt
        Tokens; the metric is `logit(answer) - logit(versus)` at the last position.
    over : str
        "residual" (also what enters the final norm), "attention_out", "mlp_out", "head" (z), "q", "k", "v" (heads are
        key-value heads for k and v), or "attention" (a pattern; a position is a query).
    positions : "each", "all", or a list of positions or roles
        Every position by itself, all at once, or some by themselves.
    direction : {"denoising", "noising"}
        Clean into corrupted, or corrupted into clean.
    metric : str or callable, optional
        "logit_difference", "logit", "probability", "log_probability", "kl" (from the clean run), or a function that
        takes the logits [vocabulary] of a prompt's last position and gives one number.
    roles, corrupted_roles : mapping of role to position of each prompt, optional
        For prompts of different forms: the position axis is then that of the roles. `corrupted_roles` where the
        corrupted prompts have them elsewhere.
    resume : PatchingResult, optional
        An interrupted result of the same call, whose cells are kept.

    Returns
    -------
    PatchingResult
        Interrupted (Ctrl-C), what is computed so far; NaN where not run.

    Raises
    ------
    ValueError
        For prompts that do not fit together, positions or roles that are not there, answers that are not one token, a
        metric that is not one finite number.

    References
    ----------
    Wang et al. 2022 (arXiv 2211.00593); Heimersheim and Nanda 2024 on how to read it.
    """
    work = sweep(
        scope,
        clean,
        corrupted,
        answer=answer,
        versus=versus,
        over=over,
        positions=positions,
        direction=direction,
        metric=metric,
        roles=roles,
        corrupted_roles=corrupted_roles,
        estimate=False,
    )
    if resume is not None:
        work.take_over(resume)
    with tqdm(total=work.total, initial=work.done, desc=f"Patching {over}", unit="cell", leave=False) as bar:
        try:
            for status in work.submit().wait():
                bar.update(0 if status.partial is None else len(status.partial))
        except KeyboardInterrupt:
            tqdm.write(
                f"Interrupted after {work.done:,} of {work.total:,} cells. The result has these; resume=result goes on."
            )
    return work.result
