"""Ablation: what is left of a behaviour when components are taken out together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from scope_widgets._check_choice import choices
from scope_widgets._reproducing_calls import python_call
from scope_widgets._seeds import seed_of
from scope_widgets._types import Positions, Prompts, Roles, Tokens
from scope_widgets.experiments.ablations import AblationMethod, ablation_sentence, check_ablation
from scope_widgets.experiments.check_components import check_head, check_layer
from scope_widgets.experiments.metric import MetricFunction, MetricName
from scope_widgets.models.execution.activation_edits import Edits, HookPoint
from scope_widgets.models.execution.cached_run import CachedRun
from scope_widgets.models.microscope import Microscope, loaded
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.patching.ablation.ablation_values import Replacement, ValueFunction, find_partners, replacing
from scope_widgets.patching.ablation.result import Ablation, measure_ablation
from scope_widgets.patching.positions import position_list, positions_of

#: (layer, head), ("attention", layer), ("mlp", layer), or ("layer", layer): attention and MLP
Component: TypeAlias = tuple[int | str, int]
ABLATIONS = choices(AblationMethod)


@remotable
def ablate(
    scope: Microscope,
    prompts: Prompts,
    components: Sequence[Component],
    *,
    ablation: AblationMethod | ValueFunction = "zero",
    answer: Tokens | None = None,
    versus: Tokens | None = None,
    metric: MetricName | MetricFunction | None = None,
    positions: Positions = "all",
    roles: Roles | None = None,
    reference: Prompts | None = None,
    groups: Sequence[Any] | None = None,
    reference_groups: Sequence[Any] | None = None,
    factor: float = 0.0,
    std: float = 1.0,
    seed: int | None = 0,
) -> Ablation:
    """Take components out together and measure what is left.

    Parameters
    ----------
    scope : Microscope
    prompts : str, list of str, or token ids
    components : list of (layer, head), ("attention", layer), ("mlp", layer), ("layer", layer)
        Heads lose their z; attention and MLP what they add to the residual stream; a layer both, which leaves the
        stream as it came.
    ablation : {"zero", "mean", "resample", "counterfactual", "noise", "scale"} or callable, default "zero"
        What stands in the place of what is taken out, see `experiments.ablations`. "mean": over the positions of the
        prompt itself, or over `reference` at the same position. "resample": of a reference prompt drawn at random.
        "counterfactual": of the reference prompt with the same number. "noise": normal noise of standard deviation
        `std` added. "scale": times `factor`. Or a function of the value [prompt, position, ...] that gives the new one.
    answer, versus : str, token id, or list of these, one a prompt
        Tokens; the metric is then `logit(answer) - logit(versus)` at the last position.
    metric : str or callable, optional
        "logit_difference", "logit", "probability", "log_probability", "kl" (from the prompt's own run; the default
        without `answer`), or a function that takes the logits [vocabulary] of a prompt's last position and gives one
        number.
    positions : "all", or a list of positions or roles, default "all"
        Where to ablate.
    roles : mapping of role to position of each prompt, optional
    reference : list of prompts, optional
        For "mean", "resample" and "counterfactual".
    groups, reference_groups : sequences, optional
        A label (template) of each prompt and reference prompt: means and draws are then within the same label.
    factor, std : float
        See `ablation`.
    seed : int or None, default 0
        Of "resample" and "noise".

    Returns
    -------
    Ablation
        The metric before and after [prompt], the divergence of the next token and the rise of the loss.

    Raises
    ------
    ValueError
        For a component, position or role that is not there, an unknown ablation, or a reference whose prompts have
        other lengths than those they stand in for.

    References
    ----------
    Wang et al. 2022 (mean over the ABC distribution, per template); Chan et al. 2022 on resampling. The choice alone
    can move what is left from none to all.

    Examples
    --------
    >>> prompt = "When Mary and John went to the store, John gave a drink to"
    >>> result = patching.ablate(scope, prompt, [(3, 1)], answer=" Mary", versus=" John", ablation="mean")
    >>> result.provenance.ablation
    '3.1: mean over the positions of the prompt, all positions'
    >>> bool(result.after[0] < result.before[0])
    True
    """
    seed = seed_of(seed)
    edits_of, described = _edits(scope, components)
    sites = tuple(dict.fromkeys(site for site, _ in edits_of))
    run = loaded(scope).run(prompts, sites)
    mask = _mask(run, positions, roles)
    source = None if reference is None else loaded(scope).run(reference, sites)
    new_value: Callable[[HookPoint], ValueFunction]
    if callable(ablation):
        function = ablation
        new_value, how = lambda place: function, {"ablation": getattr(ablation, "__name__", "a function")}
    else:
        check_ablation(ablation, or_else="a function of the value")
        how = {
            "ablation": ablation,
            "reference": _reference_text(ablation, source, groups),
            "detail": {"noise": f"std {std}", "scale": f"factor {factor}"}.get(ablation, ""),
        }
        partners = find_partners(run, source, ablation, groups, reference_groups, seed)
        generator = torch.Generator().manual_seed(seed)
        new_value = Replacement(ablation, run, source, partners, factor, std, generator).at
    edits: Edits = {place: replacing(mask, heads, new_value(place)) for place, heads in edits_of.items()}
    where = "all positions" if mask is None else f"positions {positions!r}"
    sentence = ablation_sentence(described, **how, positions=where)
    call = python_call(
        "patching.ablate",
        "scope",
        ("prompts", prompts),
        ("components", components),
        ablation=ablation,
        answer=answer,
        versus=versus,
        metric=metric,
        positions=positions,
        roles=roles,
        reference=reference,
        groups=groups,
        reference_groups=reference_groups,
        factor=factor,
        std=std,
        seed=seed,
    )
    return measure_ablation(scope, run, edits, answer, versus, metric, sentence, seed, (*scope.calls, call))


def _edits(scope: Microscope, components: Sequence[Component]) -> tuple[dict[HookPoint, list[int] | None], str]:
    """Return what to edit with its heads (None: the whole value), and the components as text."""
    found: dict[HookPoint, list[int] | None] = {}
    for component in components if isinstance(components, Sequence) else [components]:
        if isinstance(component, str) or not isinstance(component, Sequence) or len(component) != 2:
            raise ValueError(_COMPONENT.format(components))
        kind, at = component
        if kind in ("attention", "layer"):
            found["attention_out", check_layer(scope, at)] = None
        if kind in ("mlp", "layer"):
            found["mlp_out", check_layer(scope, at)] = None
        if not isinstance(kind, str):
            check_head(scope, kind, at)
            found["z", int(kind)] = [*(found.get(("z", int(kind))) or []), int(at)]
        elif kind not in ("attention", "mlp", "layer"):
            raise ValueError(_COMPONENT.format(component))
    if not found:
        raise ValueError("components= is empty: name at least one, such as (9, 6) or ('mlp', 3).")
    names = [f"{one[0]}.{one[1]}" if not isinstance(one[0], str) else f"{one[0]} {one[1]}" for one in components]
    return found, ", ".join(names)


#: what is wrong with a component
_COMPONENT = (
    "A component is (layer, head), ('attention', layer), ('mlp', layer) or ('layer', layer), and components= a list of "
    "these; got {!r}."
)


def _mask(run: CachedRun, positions: Positions, roles: Roles | None) -> Tensor | None:
    """Return which positions to ablate, [prompt, position] of bool; None for all."""
    if isinstance(positions, str) and positions == "all":
        return None
    mask = torch.zeros(run.token_ids.shape, dtype=torch.bool, device=run.token_ids.device)
    for one in position_list(positions):
        mask[torch.arange(len(run)), positions_of(run, one, roles)] = True
    return mask


def _reference_text(ablation: AblationMethod, source: CachedRun | None, groups: object) -> str:
    """Return what a mean is over or a value comes from, as text."""
    if ablation in ("resample", "counterfactual") and source is None:
        raise ValueError(f"ablation={ablation!r} takes its values from reference= prompts: give some.")
    if ablation not in ("mean", "resample", "counterfactual"):
        return ""
    if source is None:
        return "the positions of the prompt"
    return f"{len(source)} reference prompts" + (" of the same group" if groups else "")
