"""What stands in the place of a value that is ablated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scope_widgets.experiments.ablations import AblationMethod
from scope_widgets.models.execution.activation_edits import HookPoint
from scope_widgets.models.execution.cached_run import CachedRun

#: a value [prompt, position, ...] -> the new one
ValueFunction = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Replacement:
    """How values are replaced.

    Attributes
    ----------
    ablation : AblationMethod
    run : CachedRun
        Of the prompts.
    reference : CachedRun or None
        Of the prompts that values come from.
    partners : list of list of int [prompt]
        The reference prompts that stand in for each prompt.
    factor, std : float
        Of "scale" and "noise".
    generator : torch.Generator
        Of the noise.
    """

    ablation: AblationMethod
    run: CachedRun
    reference: CachedRun | None
    partners: list[list[int]]
    factor: float
    std: float
    generator: torch.Generator

    def at(self, place: HookPoint) -> ValueFunction:
        """Return the function that makes the ablated value of a site and layer."""
        if self.ablation == "zero":
            return torch.zeros_like
        if self.ablation == "scale":
            return lambda value: value * self.factor
        if self.ablation == "noise":
            return lambda value: value + self.std * torch.randn(value.shape, generator=self.generator).to(value)
        if self.reference is None:
            return self._mean_over_positions
        of_reference = self.reference.values[place[0]][place[1]]
        width = min(self.run.token_ids.shape[1], self.reference.token_ids.shape[1])

        def from_reference(value: Tensor) -> Tensor:
            means = torch.stack([of_reference[some, :width].mean(0) for some in self.partners])
            return torch.cat([means.to(value), value[:, width:]], 1)

        return from_reference

    def _mean_over_positions(self, value: Tensor) -> Tensor:
        ids = self.run.token_ids
        valid = torch.arange(ids.shape[1], device=ids.device) < self.run.lengths[:, None]
        weights = valid.reshape(*valid.shape, *(1,) * (value.ndim - 2)).to(value)
        return ((value * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True)).expand_as(value)


def find_partners(
    run: CachedRun,
    reference: CachedRun | None,
    ablation: AblationMethod,
    groups: Sequence[Any] | None,
    reference_groups: Sequence[Any] | None,
    seed: int,
) -> list[list[int]]:
    """Return the reference prompts that stand in for each prompt: of its group, and of its length.

    Parameters
    ----------
    run, reference : CachedRun
    ablation : AblationMethod
        "mean": all of the group; "resample": one of them; "counterfactual": the one with the prompt's own number.
    groups, reference_groups : sequences, optional
        A label of each prompt and reference prompt.
    seed : int

    Raises
    ------
    ValueError
        Where groups do not fit the prompts, or reference prompts have other lengths than those they stand in for.
    """
    if reference is None or ablation not in ("mean", "resample", "counterfactual"):
        return []
    if (groups is None) != (reference_groups is None):
        raise ValueError(
            "Give both groups= (a label a prompt) and reference_groups= (a label a reference prompt), or neither."
        )
    if ablation == "counterfactual" and len(reference) != len(run):
        raise ValueError(
            "ablation='counterfactual' takes each prompt's own corrupted version as reference=, so that there are as "
            f"many prompts and reference prompts: {len(run)} and {len(reference)} were given."
        )
    of_prompts: list[Any] = [None] * len(run) if groups is None else list(groups)
    of_reference: list[Any] = [None] * len(reference) if reference_groups is None else list(reference_groups)
    if (len(of_prompts), len(of_reference)) != (len(run), len(reference)):
        raise ValueError(
            f"There are {len(of_prompts)} groups for {len(run)} prompts and {len(of_reference)} reference_groups for "
            f"{len(reference)}."
        )
    rng = np.random.default_rng(seed)
    partners = []
    for prompt, group in enumerate(of_prompts):
        own = ablation == "counterfactual"
        some = [prompt] if own else [at for at, other in enumerate(of_reference) if other == group]
        lengths = {int(reference.lengths[at]) for at in some}
        if lengths != {int(run.lengths[prompt])}:
            raise ValueError(
                f"Prompt {prompt} has {int(run.lengths[prompt])} tokens and its reference prompts have "
                f"{', '.join(map(str, sorted(lengths))) or 'none'}: positions must correspond. Give reference prompts "
                "of its length, or groups= and reference_groups= that pair those of one template."
            )
        partners.append([int(rng.choice(some))] if ablation == "resample" else some)
    return partners


def replacing(mask: Tensor | None, heads: list[int] | None, new_value: ValueFunction) -> ValueFunction:
    """Return the edit that puts a new value in at some positions and heads.

    Parameters
    ----------
    mask : Tensor of bool [prompt, position], or None
        None for all positions.
    heads : list of int, or None
        None for the whole value.
    new_value : callable
        Of the whole value.
    """

    def edit(value: Tensor) -> Tensor:
        replaced = torch.ones(value.shape[:2], dtype=torch.bool, device=value.device) if mask is None else mask
        replaced = replaced.reshape(*replaced.shape, *(1,) * (value.ndim - 2))
        if heads is not None:
            chosen = torch.zeros(value.shape[2], dtype=torch.bool, device=value.device)
            chosen[heads] = True
            replaced = replaced & chosen[:, None]
        return torch.where(replaced, _like(new_value(value), value), value)

    return edit


def _like(new: Any, value: Tensor) -> Tensor:
    """Return what a function of the user's gave as a tensor like `value`."""
    try:
        return torch.as_tensor(new).to(value).expand_as(value)
    except (RuntimeError, TypeError, ValueError):
        what = f"shape {tuple(new.shape)}" if isinstance(new, Tensor) else repr(new)
        raise ValueError(
            f"ablation= must give a value of the shape that it gets, {tuple(value.shape)} [prompt, position, ...]; "
            f"it gave {what}."
        ) from None
