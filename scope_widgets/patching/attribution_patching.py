"""Attribution patching: the gradient's estimate of what patching would do, every cell from one backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from scope_widgets._check_choice import check_choice
from scope_widgets._reproducing_calls import python_call
from scope_widgets._result import made_with
from scope_widgets._types import Positions, Prompts, Roles, Tokens
from scope_widgets.experiments.metric import MetricFunction, MetricName
from scope_widgets.models.guards.restore_on_exit import recording_gradients
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.patching.clean_corrupted_runs import OVER, WITH_HEADS, Over, PatchingDirection, RunPair, run_pair
from scope_widgets.patching.result import PatchingResult


@remotable
def attribution(
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
) -> PatchingResult:
    """Estimate every effect of `activations` from one gradient: `(a_source - a_base) . dm/da` at the base.

    An estimate: right to first order only. Strong nonlinearities (saturated attention, the norms of early layers) make
    it wrong in size and sign. `activations` is the exact thing, in the same units.

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
        takes the logits [vocabulary] of a prompt's last position and gives one number, made of torch operations.
    roles, corrupted_roles : mapping of role to position of each prompt, optional
        For prompts of different forms: the position axis is then that of the roles. `corrupted_roles` if the corrupted
        prompts have them elsewhere.

    Returns
    -------
    PatchingResult
        values [layer, head, position] or [layer, position], without the last axis for all positions at once; `exact`
        is False.

    Raises
    ------
    ValueError
        For prompts that do not fit together, positions or roles that are not there, answers that are not one token, a
        metric that is not one finite number or that autograd cannot follow.

    References
    ----------
    Nanda 2023, Attribution patching.

    Examples
    --------
    >>> clean = "When Mary and John went to the store, John gave a drink to"
    >>> corrupted = "When Mary and John went to the store, Mary gave a drink to"
    >>> estimate = patching.attribution(scope, clean, corrupted, answer=" Mary", versus=" John")
    >>> estimate.values.shape, estimate.exact  # [layer, head, position]
    ((4, 4, 15), False)
    """
    check_choice("over", over, Over)
    pair = run_pair(
        scope,
        clean,
        corrupted,
        answer=answer,
        versus=versus,
        metric=metric,
        direction=direction,
        positions=positions,
        roles=roles,
        corrupted_roles=corrupted_roles,
        capture=(OVER[over],),
    )
    found = estimate_effects(pair, over)
    if found is None:
        raise ValueError(
            f"The metric {pair.metric.name} has no gradient: it must be made of torch operations on the logits."
        )
    per_prompt = found.numpy() / pair.scale
    measured = pair.measured
    options: dict[str, Any] = {
        "answer": answer,
        "versus": versus,
        "over": over,
        "positions": positions,
        "direction": direction,
    }
    options |= {"metric": metric, "roles": roles, "corrupted_roles": corrupted_roles}
    call = python_call("patching.attribution", "scope", ("clean", clean), ("corrupted", corrupted), **options)
    result = PatchingResult(
        values=per_prompt.mean(0),
        per_prompt=per_prompt,
        estimate=None,
        over=over,
        direction=direction,
        metric=pair.metric.name,
        positions=pair.labels,
        clean=measured[0].numpy(),
        corrupted=measured[1].numpy(),
        exact=False,
        message=pair.message,
        provenance=pair.provenance.then(call),
        floor=pair.effect_floor,
        question=pair.question,
    )
    return made_with(result, pair.scope)


def estimate_effects(pair: RunPair, over: Over) -> Tensor | None:
    """Estimate all cells of all prompts, `[prompt, layer, (head,) (position)]`, in units of the metric, float64.

    Nanda's attribution patching: `(a_source - a_base) . dm/da` at the base. None where the metric has no gradient.
    """
    site = OVER[over]
    n_layers = pair.scope.n_layers + (site == "residual")
    heads = [pair.base.values[site][0].shape[1 if site == "attention" else 2]] if over in WITH_HEADS else []
    width = [] if pair.at is None else [pair.at.shape[1]]
    found = torch.zeros(pair.n, n_layers, *heads, *width, dtype=torch.float64)
    for length in sorted(set(pair.base.lengths.tolist())):
        rows = (pair.base.lengths == length).nonzero().flatten()
        values = _gradients(pair, site, rows, n_layers)
        if values is None:
            return None
        for layer, (value, gradient) in enumerate(values):
            found[rows.cpu(), layer] = _contracted(pair, site, layer, rows, value, gradient).double().cpu()
    return found


def _gradients(pair: RunPair, site: str, rows: Tensor, n_layers: int) -> list[tuple[Tensor, Tensor]] | None:
    kept: dict[int, Tensor] = {}

    def keep(layer: int) -> Callable[[Tensor], Tensor]:
        def look(value: Tensor) -> Tensor:
            # the first value that is met begins the graph: nothing before it is needed
            kept[layer] = value if value.requires_grad else value.detach().requires_grad_()
            return kept[layer]

        return look

    positions = pair.base.suffix(rows, 0)  # of one length
    edits = {(site, layer): keep(layer) for layer in range(n_layers)}
    logits = pair.base.again(edits, rows=rows, positions=positions, gradients=True)
    with recording_gradients(True):
        try:
            measured = pair.metric.of(logits, rows).sum()
        except RuntimeError:  # a metric that goes through NumPy
            return None
    if not measured.requires_grad:
        return None
    gradients = torch.autograd.grad(measured, [kept[layer] for layer in range(n_layers)])
    return [(kept[layer].detach(), gradient) for layer, gradient in enumerate(gradients)]


def _contracted(pair: RunPair, site: str, layer: int, rows: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
    """Return `(source - base) . gradient`, `[row, (head,) (position)]`."""
    theirs = pair.source.values[site][layer][rows]
    if site == "attention":
        value, gradient, theirs = (one.transpose(1, 2) for one in (value, gradient, theirs))  # query first
    if pair.at is None or pair.source_at is None:
        theirs = theirs[:, : value.shape[1]]
    else:
        at, source_at = pair.at[rows], pair.source_at[rows]
        step = torch.arange(len(rows), device=rows.device)[:, None]
        value, gradient, theirs = value[step, at], gradient[step, at], theirs[step, source_at]
    theirs = theirs[..., : value.shape[-1]]  # attention: keys beyond the longest of these prompts
    summed = ((theirs.to(value.dtype) - value) * gradient).double().sum(-1)  # [row, position, (head)]
    summed = summed.sum(1, keepdim=True) if pair.at is None else summed
    summed = summed.transpose(1, 2) if summed.ndim == 3 else summed
    return summed[..., 0] if pair.at is None else summed


def try_to_estimate(pair: RunPair, over: Over) -> Tensor | None:
    """Estimate where it can be done; a metric of the user's own may break in autograd, which is no reason to stop."""
    try:
        return estimate_effects(pair, over)
    except RuntimeError:
        return None
