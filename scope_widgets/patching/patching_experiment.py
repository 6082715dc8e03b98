"""`Experiment`: two prompts and what is patched between them, run in cells beside the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch

from scope_widgets._check_choice import check_choice
from scope_widgets._job import JobStatus, Steps
from scope_widgets._reproducing_calls import python_call
from scope_widgets._types import Array
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable, stepwise
from scope_widgets.models.weights.weight_version import weights_state
from scope_widgets.patching.attribution_patching import try_to_estimate
from scope_widgets.patching.clean_corrupted_runs import OVER, WITH_HEADS, Over, RunPair, run_pair
from scope_widgets.patching.patch_cells import Cells, run_cells
from scope_widgets.patching.result import PatchingResult

#: positions in one forward at most, and at least before another prompt position is added: found by measuring
MOST, ENOUGH = 1024, 256


class Experiment:
    """A patching experiment of a model, wherever that is: its runs are made beside the model, when first needed.

    Parameters
    ----------
    scope : Microscope
    clean, corrupted : prompts
    options : mapping
        The other arguments of `patching.activations`, but `resume`.
    """

    def __init__(self, scope: Microscope, clean: Any, corrupted: Any, options: Mapping[str, Any]) -> None:
        self.scope = scope
        self._clean, self._corrupted, self._options = clean, corrupted, dict(options)
        check_choice("over", options["over"], Over)
        self.over: Over = options["over"]
        self.site = OVER[self.over]
        self._state = 0

    @property
    def call(self) -> str:
        """The Python call that makes its result again."""
        prompts = ("clean", self._clean), ("corrupted", self._corrupted)
        return python_call("patching.activations", "scope", *prompts, **self._options)

    @cached_property
    def pair(self) -> RunPair:
        """The two runs."""
        self._state = weights_state(self.scope.model)
        options = {name: value for name, value in self._options.items() if name != "over"}
        return run_pair(self.scope, self._clean, self._corrupted, capture=(self.site,), **options)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Cells by layer, head and position, as far as there are these axes."""
        layers = self.pair.scope.n_layers + (self.site == "residual")
        axis = 1 if self.site == "attention" else 2
        heads = [self.pair.base.values[self.site][0].shape[axis]] if self.over in WITH_HEADS else []
        return (layers, *heads, *([] if self.pair.at is None else [self.pair.at.shape[1]]))

    def _remade(self) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
        """Return the call that makes this experiment again beside its model."""
        return Experiment, (self.scope, self._clean, self._corrupted, self._options), {}

    # -- cells in chunks of one forward

    def chunks(self, left: Array, estimate: Array | None = None) -> list[Array]:
        """Return flat indices of cells, chunk by chunk in the order in which to run them.

        Parameters
        ----------
        left : ndarray of bool [layer, (head,) (position)]
            The cells that are to be run.
        estimate : ndarray of the same shape, optional
            The most promising chunks come first; without, those of late layers, which are quick.
        """
        chunks = [chunk for layer in range(self.shape[0]) for chunk in self._of_layer(layer, left[layer])]
        if estimate is None:
            return chunks[::-1]
        size = np.abs(estimate).ravel()
        return sorted(chunks, key=lambda chunk: -float(size[chunk].max()))

    def _of_layer(self, layer: int, left: Array) -> Iterator[Array]:
        """Make chunks of the cells of a layer; those of late positions are together, because they run short."""
        flat = np.arange(int(np.prod(self.shape))).reshape(self.shape)[layer]
        if self.pair.at is None:
            yield from self._split(flat[left].ravel(), self.pair.base.token_ids.shape[1])
            return
        widths = (self.pair.base.last[:, None] - self.pair.at).max(0).values.cpu().numpy() + 1
        waiting: list[int] = []
        for position in np.argsort(widths, kind="stable"):
            waiting += flat[..., position][left[..., position]].ravel().tolist()
            if len(waiting) * self.pair.n * widths[position] >= ENOUGH:
                yield from self._split(np.array(waiting), int(widths[position]))
                waiting = []
        yield from self._split(np.array(waiting, dtype=int), int(widths.max()))

    def _split(self, flat: Array, width: int) -> list[Array]:
        size = max(1, MOST // (width * self.pair.n))
        return [flat[start : start + size] for start in range(0, len(flat), size)]

    def effects(self, flat: Array) -> Array:
        """Return the effects `[prompt, cell]` of cells of one layer, by their flat indices.

        Raises
        ------
        RuntimeError
            Where the weights are others than those that the two runs were made with.
        """
        pair = self.pair
        if weights_state(self.scope.model) != self._state:
            raise RuntimeError(
                f"The weights of {self.scope.model_id} have changed since the two prompts were run (a patch was put on "
                "or taken off, or they were trained), so that more cells would be of another model: take the change "
                "back, or make a new map."
            )
        index = list(np.unravel_index(flat, self.shape))
        device = pair.base.token_ids.device
        head = torch.as_tensor(index[1], device=device) if self.over in WITH_HEADS else None
        position = None if pair.at is None else torch.as_tensor(index[-1], device=device)
        cells = Cells(int(index[0][0]), head, position)
        at_once = max(1, MOST // (pair.base.token_ids.shape[1] * len(cells)))
        prompts = torch.split(torch.arange(pair.n, device=device), at_once)
        measured = torch.cat([run_cells(pair, self.over, cells, some) for some in prompts], 1)
        effects: Array = (measured.T - pair.m_base[:, None]).numpy() / pair.scale
        return effects


@remotable
def lay_out(experiment: Experiment, estimate: bool) -> tuple[PatchingResult, Array]:
    """Return the result before any cell is run, with the gradient's estimate, and the cells in their order.

    Cells before the first token that differs are 0: causality makes both sides equal there.
    """
    runs, shape = experiment.pair, experiment.shape
    per_prompt = np.full((runs.n, *shape), np.nan)
    runs_differ = bool(np.isfinite(runs.scale))
    zero = np.zeros(shape, dtype=bool)
    if runs.at is not None and runs_differ:
        zero[...] = runs.untouched().all(0).cpu().numpy()
    per_prompt[:, zero] = 0.0
    wanted = estimate and runs_differ and experiment.scope.has_gradients
    guess = try_to_estimate(runs, experiment.over) if wanted else None
    estimates = None if guess is None else (guess.numpy() / runs.scale).mean(0)
    left = np.isnan(per_prompt).any(0) & runs_differ
    order = experiment.chunks(left, estimates)
    clean, corrupted = runs.measured
    start = PatchingResult(
        values=per_prompt.mean(0),
        per_prompt=per_prompt,
        estimate=estimates,
        over=experiment.over,
        direction=runs.direction,
        metric=runs.metric.name,
        positions=runs.labels,
        clean=clean.numpy(),
        corrupted=corrupted.numpy(),
        exact=True,
        message=runs.message,
        provenance=runs.provenance.then(experiment.call),
        floor=runs.effect_floor,
        by_construction=zero,
        question=runs.question,
    )
    return start, np.concatenate([np.zeros(0, dtype=int), *order])


@stepwise
def run_cells_of(experiment: Experiment, flat: Array) -> Steps[tuple[Array, Array]]:
    """Run cells; return their flat indices, in the order in which they were run, and their effects `[prompt, cell]`.

    Each status carries those of its step.
    """
    left = np.zeros(int(np.prod(experiment.shape)), dtype=bool)
    left[flat] = True
    rank = np.empty(len(left), dtype=int)
    rank[flat] = np.arange(len(flat))  # chunks in the order of their first cells
    chunks = sorted(experiment.chunks(left.reshape(experiment.shape)), key=lambda chunk: int(rank[chunk].min()))
    found: list[Array] = []
    done = 0
    for chunk in chunks:
        found.append(experiment.effects(chunk))
        done += len(chunk)
        yield JobStatus("running", "cells", done, len(flat), partial=(chunk, found[-1]))
    return np.concatenate([np.zeros(0, dtype=int), *chunks]), np.concatenate(
        [np.zeros((experiment.pair.n, 0)), *found], 1
    )
