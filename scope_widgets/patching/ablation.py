"""Ablation: what is left of a behaviour when components are taken out together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scope_widgets.models.execution.activation_edits import Edits, Place
from scope_widgets.models.execution.cached_run import CachedRun
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.patching.ablation_result import Ablation, layer_of, measured
from scope_widgets.patching.paths import check_head
from scope_widgets.patching.run_pair import Roles, listed, places

Array = np.ndarray[Any, Any]
#: (layer, head), ("attention", layer), ("mlp", layer), or ("layer", layer): attention and MLP
Component = tuple[Any, int]
#: a value [prompt, position, ...] -> the new one
Custom = Callable[[Tensor], Tensor]
ABLATIONS = ("zero", "mean", "resample", "noise", "scale")


@remotable
def ablate(
    scope: Microscope,
    prompts: Any,
    components: Sequence[Component],
    *,
    ablation: str | Custom = "zero",
    answer: Any = None,
    versus: Any = None,
    metric: Any = None,
    positions: Any = "all",
    roles: Roles | None = None,
    reference: Any = None,
    groups: Sequence[Any] | None = None,
    reference_groups: Sequence[Any] | None = None,
    factor: float = 0.0,
    std: float = 1.0,
    seed: int = 0,
) -> Ablation:
    """Take components out together and measure what is left.

    Parameters
    ----------
    scope : Microscope
    prompts : str, list of str, or token ids
    components : list of (layer, head), ("attention", layer), ("mlp", layer), ("layer", layer)
        Heads lose their z; attention and MLP what they add to the residual stream; a layer both, which leaves the
        stream as it came.
    ablation : str or callable
        "zero". "mean": over the positions of the prompt itself, or over `reference` at the same position. "resample":
        of a reference prompt drawn at random. "noise": normal noise of standard deviation `std` added. "scale": times
        `factor`. Or a function of the value [prompt, position, ...] that gives the new one.
    answer, versus, metric
        As in `activations`; where nothing is said, the KL divergence from the prompt's own run.
    positions : "all", or a list of positions or roles
        Where to ablate.
    roles : mapping of role to position of each prompt, optional
    reference : list of prompts, optional
        For "mean" and "resample".
    groups, reference_groups : sequences, optional
        A label (template) of each prompt and reference prompt: means and draws are then within the same label.
    factor, std, seed
        See `ablation`.

    Raises
    ------
    ValueError
        For a component, position or role that is not there, an unknown ablation, or a reference whose prompts have
        other lengths than those they stand in for.

    References
    ----------
    Wang et al. 2022 (mean over the ABC distribution, per template); Chan et al. 2022 on resampling. The choice alone
    can move what is left from none to all.
    """
    edits_of, described = _edits(scope, components)
    sites = tuple(dict.fromkeys(site for site, _ in edits_of))
    run = scope.run(prompts, sites)
    where = _where(scope, run, positions, roles)
    source = None if reference is None else scope.run(reference, sites)
    if callable(ablation):
        how, name = ablation, getattr(ablation, "__name__", "a function")
    else:
        how, name = None, _named(ablation, factor, std, source, groups)
    pick = _partners(run, source, ablation, groups, reference_groups, seed)
    noise = torch.Generator().manual_seed(seed)
    edits: Edits = {
        place: _replacing(where, heads, how or _new(str(ablation), place, run, source, pick, factor, std, noise))
        for place, heads in edits_of.items()
    }
    at = "all positions" if where is None else f"positions {positions!r}"
    return measured(scope, run, edits, answer, versus, metric, f"{described}: {name}, {at}", seed)


def _edits(scope: Microscope, components: Sequence[Component]) -> tuple[dict[Place, list[int] | None], str]:
    """Give the places to edit with their heads (None: the whole value), and what it is in words."""
    found: dict[Place, list[int] | None] = {}
    for component in components if isinstance(components, Sequence) else [components]:
        if isinstance(component, str) or not isinstance(component, Sequence) or len(component) != 2:
            raise ValueError(_COMPONENT.format(components))
        kind, at = component
        if kind in ("attention", "layer"):
            found["attention_out", layer_of(scope, at)] = None
        if kind in ("mlp", "layer"):
            found["mlp_out", layer_of(scope, at)] = None
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


def _where(scope: Microscope, run: CachedRun, positions: Any, roles: Roles | None) -> Tensor | None:
    """Give which positions to ablate, [prompt, position] of bool; None for all."""
    if isinstance(positions, str) and positions == "all":
        return None
    where = torch.zeros(run.token_ids.shape, dtype=torch.bool, device=run.token_ids.device)
    for one in listed(positions):
        where[torch.arange(len(run)), places(run, one, roles)] = True
    return where


def _named(ablation: str, factor: float, std: float, source: CachedRun | None, groups: Any) -> str:
    if ablation not in ABLATIONS:
        raise ValueError(f"ablation= is one of {', '.join(ABLATIONS)}, or a function of the value; got {ablation!r}.")
    over = "" if source is None else f" over {len(source)} reference prompts" + (" of the same group" if groups else "")
    if ablation == "resample" and source is None:
        raise ValueError("ablation='resample' draws from reference= prompts: give some.")
    if ablation == "mean":
        return f"mean{over}" if over else "mean over the positions of the prompt"
    return {
        "zero": "zero",
        "resample": f"resample{over}",
        "noise": f"noise, std {std}",
        "scale": f"scale, factor {factor}",
    }[ablation]


def _partners(
    run: CachedRun, source: CachedRun | None, ablation: Any, groups: Any, reference_groups: Any, seed: int
) -> list[list[int]]:
    """Give the reference prompts that stand in for each prompt: of its group, and of its length."""
    if source is None or ablation not in ("mean", "resample"):
        return []
    if (groups is None) != (reference_groups is None):
        raise ValueError(
            "Give both groups= (a label a prompt) and reference_groups= (a label a reference prompt), or neither."
        )
    ours = [None] * len(run) if groups is None else list(groups)
    theirs = [None] * len(source) if reference_groups is None else list(reference_groups)
    if (len(ours), len(theirs)) != (len(run), len(source)):
        raise ValueError(
            f"There are {len(ours)} groups for {len(run)} prompts and {len(theirs)} reference_groups for {len(source)}."
        )
    rng = np.random.default_rng(seed)
    partners = []
    for prompt, group in enumerate(ours):
        some = [at for at, other in enumerate(theirs) if other == group]
        lengths = {int(source.lengths[at]) for at in some}
        if lengths != {int(run.lengths[prompt])}:
            raise ValueError(
                f"Prompt {prompt} has {int(run.lengths[prompt])} tokens and its reference prompts have "
                f"{', '.join(map(str, sorted(lengths))) or 'none'}: positions must correspond. Give reference prompts "
                "of its length, or groups= and reference_groups= that pair those of one template."
            )
        partners.append([int(rng.choice(some))] if ablation == "resample" else some)
    return partners


def _new(
    ablation: str,
    place: Place,
    run: CachedRun,
    source: CachedRun | None,
    partners: list[list[int]],
    factor: float,
    std: float,
    noise: torch.Generator,
) -> Custom:
    """Give the function that makes the ablated value of a place."""
    site, layer = place
    if ablation == "zero":
        return torch.zeros_like
    if ablation == "scale":
        return lambda value: value * factor
    if ablation == "noise":
        return lambda value: value + std * torch.randn(value.shape, generator=noise).to(value)
    if source is None:
        valid = torch.arange(run.token_ids.shape[1], device=run.token_ids.device) < run.lengths[:, None]
        return lambda value: _mean_over_positions(value, valid)
    width = min(run.token_ids.shape[1], source.token_ids.shape[1])

    def of_reference(value: Tensor) -> Tensor:
        means = torch.stack([source.values[site][layer][some, :width].mean(0) for some in partners])
        return torch.cat([means.to(value), value[:, width:]], 1)

    return of_reference


def _mean_over_positions(value: Tensor, valid: Tensor) -> Tensor:
    weights = valid.reshape(*valid.shape, *(1,) * (value.ndim - 2)).to(value)
    return ((value * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True)).expand_as(value)


def _replacing(where: Tensor | None, heads: list[int] | None, new: Custom) -> Custom:
    def edit(value: Tensor) -> Tensor:
        there = torch.ones(value.shape[:2], dtype=torch.bool, device=value.device) if where is None else where
        there = there.reshape(*there.shape, *(1,) * (value.ndim - 2))
        if heads is not None:
            ours = torch.zeros(value.shape[2], dtype=torch.bool, device=value.device)
            ours[heads] = True
            there = there & ours[:, None]
        return torch.where(there, _fitting(new(value), value), value)

    return edit


def _fitting(new: Any, value: Tensor) -> Tensor:
    try:
        return torch.as_tensor(new).to(value).expand_as(value)
    except (RuntimeError, TypeError, ValueError):
        what = f"shape {tuple(new.shape)}" if isinstance(new, Tensor) else repr(new)
        raise ValueError(
            f"ablation= must give a value of the shape that it gets, {tuple(value.shape)} [prompt, position, ...]; "
            f"it gave {what}."
        ) from None
