"""Activation patching: the exact effect of each activation."""

from __future__ import annotations

import dataclasses

from scope_widgets._partial_result import result_or_interrupt
from scope_widgets._progress import tqdm
from scope_widgets._types import Positions, Prompts, Roles, Tokens
from scope_widgets.experiments.metric import MetricFunction, MetricName
from scope_widgets.models.microscope import Microscope
from scope_widgets.patching.clean_corrupted_runs import Over, PatchingDirection
from scope_widgets.patching.patching_experiment import Experiment
from scope_widgets.patching.result import PatchingResult
from scope_widgets.patching.sweeps import Sweep


def sweep(
    scope: Microscope,
    clean: Prompts,
    corrupted: Prompts,
    *,
    answer: Tokens | None = None,
    versus: Tokens | None = None,
    over: Over = "head",
    positions: Positions = "each",
    direction: PatchingDirection = "denoising",
    metric: MetricName | MetricFunction | None = None,
    roles: Roles | None = None,
    corrupted_roles: Roles | None = None,
    estimate: bool = True,
) -> Sweep:
    """Prepare a patching map that fills in as it is looked at: `widgets.PatchingMap(patching.sweep(...))`.

    The numbers are those of `activations`. The most promising cells come first, by the gradient's estimate.

    Parameters
    ----------
    scope : Microscope
    clean, corrupted : str, list of str, or token ids
        The prompt that shows the behaviour and the one that does not, or as many of each.
    answer, versus : str, token id, or list of these, one a prompt
        Tokens; the metric is `logit(answer) - logit(versus)` at the last position.
    over : str, default "head"
        "residual" (also what enters the final norm), "attention_out", "mlp_out", "head" (z), "q", "k", "v" (heads are
        key-value heads for k and v), or "attention" (a pattern; a position is a query).
    positions : "each", "all", or a list of positions or roles, default "each"
        Every position by itself, all at once, or some by themselves.
    direction : {"denoising", "noising"}, default "denoising"
        Clean into corrupted, or corrupted into clean.
    metric : str or callable, optional
        "logit_difference", "logit", "probability", "log_probability", "kl" (from the clean run), or a function that
        takes the logits [vocabulary] of a prompt's last position and gives one number.
    roles, corrupted_roles : mapping of role to position of each prompt, optional
        For prompts of different forms: the position axis is then that of the roles. `corrupted_roles` where the
        corrupted prompts have them elsewhere.
    estimate : bool, default True
        Estimate all cells by the gradient first, which orders them and stands beside the exact values.

    Returns
    -------
    Sweep
        `.submit()` is the job that runs it, `.result` the map as it stands.

    Raises
    ------
    ValueError
        As `activations`.

    Examples
    --------
    >>> clean = "When Mary and John went to the store, John gave a drink to"
    >>> corrupted = "When Mary and John went to the store, Mary gave a drink to"
    >>> sweep = patching.sweep(scope, clean, corrupted, answer=" Mary", versus=" John", over="residual")
    >>> job = sweep.submit()
    >>> _ = next(job)  # the first cells; the others stay NaN until their step
    >>> 0 < sweep.done < sweep.total
    True
    """
    options = {"answer": answer, "versus": versus, "over": over, "positions": positions, "direction": direction,
               "metric": metric, "roles": roles, "corrupted_roles": corrupted_roles}  # fmt: skip
    return Sweep(Experiment(scope, clean, corrupted, options), estimate=estimate)


def activations(
    scope: Microscope,
    clean: Prompts,
    corrupted: Prompts,
    *,
    answer: Tokens | None = None,
    versus: Tokens | None = None,
    over: Over = "head",
    positions: Positions = "each",
    direction: PatchingDirection = "denoising",
    metric: MetricName | MetricFunction | None = None,
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
    over : str, default "head"
        "residual" (also what enters the final norm), "attention_out", "mlp_out", "head" (z), "q", "k", "v" (heads are
        key-value heads for k and v), or "attention" (a pattern; a position is a query).
    positions : "each", "all", or a list of positions or roles, default "each"
        Every position by itself, all at once, or some by themselves.
    direction : {"denoising", "noising"}, default "denoising"
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
        values [layer, head, position] or [layer, position]; NaN where not run. Interrupted (Ctrl-C) in a notebook:
        what is there so far, as its message says.

    Raises
    ------
    ValueError
        For prompts that do not fit together, positions or roles that are not there, answers that are not one token, a
        metric that is not one finite number.
    KeyboardInterrupt
        Interrupted outside a notebook; its `result` is what is there so far.

    References
    ----------
    Wang et al. 2022 (arXiv 2211.00593); Heimersheim and Nanda 2024 on how to read it.

    Examples
    --------
    >>> clean = "When Mary and John went to the store, John gave a drink to"
    >>> corrupted = "When Mary and John went to the store, Mary gave a drink to"
    >>> result = patching.activations(scope, clean, corrupted, answer=" Mary", versus=" John", over="residual")
    >>> result.values.shape  # [layer, position], the last layer is what enters the final norm
    (5, 15)
    >>> round(float(result.values[-1, -1]), 3)
    1.0
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
            said = f"Interrupted: {work.done:,} of {work.total:,} cells were run; resume=result goes on."
            result = dataclasses.replace(work.result, message=f"{said} {work.result.message}".strip())
            return result_or_interrupt(result, said)
    return work.result
