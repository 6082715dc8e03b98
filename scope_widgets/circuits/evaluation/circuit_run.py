"""`CircuitRun`: circuits run by themselves on a task's pairs, and measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scope_widgets._progress import tqdm
from scope_widgets.circuits.evaluation.replacement_values import (
    ABLATIONS,
    donors_of,
    draw_weights,
    replacement_values,
    same_group,
)
from scope_widgets.experiments.ablations import check_ablation
from scope_widgets.experiments.check_logits import OVERFLOW
from scope_widgets.experiments.circuit.circuit_ablation import CircuitAblation
from scope_widgets.experiments.metric import Metric, metric_of
from scope_widgets.experiments.question import Question, question_of
from scope_widgets.experiments.statistics.rounding import share, vanishes
from scope_widgets.experiments.task import Task
from scope_widgets.models.edges.component_outputs import ComponentOutputs, component_outputs
from scope_widgets.models.edges.edge_ablation import EdgeAblation
from scope_widgets.models.edges.find_edges import graph_of
from scope_widgets.models.edges.graph import Graph
from scope_widgets.models.guards.restore_on_exit import without_gradients
from scope_widgets.models.memory_estimate import free_host_memory
from scope_widgets.models.microscope import Microscope

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
#: which edges are in, of one circuit [edge] or of several [circuit, edge]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
#: few, so that an interrupt is not heard late
_PAIRS_AT_ONCE = 8
#: share of the free memory that may be asked for
_MEMORY_SHARE = 0.6


class CircuitRun:
    """A model on a task's pairs, whose edges can be taken out.

    Parameters
    ----------
    scope : Microscope
    task : Task
    ablation : str
        "counterfactual", "mean", "resample" or "zero".
    seed : int
        Of "resample".
    bar : tqdm, optional
        Of the analysis that this is a part of: updated a layer after the other, `preparation` in all.
    draws : int, default 1
        Of "resample": what is measured is the mean over so many prompts that give a pair their activations, of which
        none gives twice. There are no more than pairs of a group, less one.
    at_once : int, optional
        Number of pairs of a forward; few by default, so that an interrupted analysis has some.
    like : CircuitRun, optional
        Counterfactual, of the same pairs and as many `at_once`: its runs of the prompts are taken over.

    Attributes
    ----------
    full, empty : ndarray [pair]
        The metric of the whole model, and of the circuit without edges.
    floor : float
        The difference that rounding alone may make to the metric.

    Raises
    ------
    ValueError
        For a task of another model, an unknown ablation, a metric that is not finite.
    MemoryError
        Where what the pairs write would not fit; says how many do.
    """

    def __init__(
        self,
        scope: Microscope,
        task: Task,
        ablation: CircuitAblation = "counterfactual",
        seed: int = 0,
        bar: tqdm[Any] | None = None,
        draws: int = 1,
        at_once: int | None = None,
        like: CircuitRun | None = None,
    ) -> None:
        check_ablation(ablation, CircuitAblation)
        if not len(task):
            raise ValueError(f"The task {task.name!r} has no pairs: give at least one.")
        task.check(scope)
        self.scope, self.task, self.ablation = scope, task, ablation
        #: how far an analysis came that Ctrl-C ended, as a sentence
        self.interrupted = ""
        self.seed = seed if ablation == "resample" else None
        self._groups = same_group(task)
        #: who gives activations to each pair, [draw, pair]
        self._donors = donors_of(self._groups, draws if ablation == "resample" else 1, seed)
        self._weights = draw_weights(self._groups, len(self._donors))
        self.graph: Graph = graph_of(scope)
        check_memory(scope, self.graph, task, 2 if ablation == "counterfactual" else 5)
        at_once = at_once or _PAIRS_AT_ONCE
        order = sorted(range(len(task)), key=lambda pair: len(task.clean[pair]))  # little padding
        self._parts = [order[at : at + at_once] for at in range(0, len(order), at_once)]
        rows = [[prompts[pair] for pair in part] for prompts in (task.clean, task.corrupted) for part in self._parts]
        short = bar is not None or len(self._parts) < 2
        work = 3 * scope.n_layers * len(self._parts)
        with tqdm(total=work, desc="Running the pairs", unit="layer", leave=False, disable=short) as own:
            self._prepare(rows, own if bar is None else bar, None if like is None else like._outputs)

    def _prepare(
        self, rows: list[list[list[int]]], bar: tqdm[Any], known: list[ComponentOutputs] | None = None
    ) -> None:
        """Run the clean and the corrupted prompts, and no edges."""
        scope, task = self.scope, self.task
        outputs = known or [component_outputs(scope, some, self.graph.whole, bar.update) for some in rows]
        clean, corrupted = outputs[: len(self._parts)], outputs[len(self._parts) :]
        logits = torch.empty(len(task), clean[0].logits.shape[-1], device=clean[0].logits.device)
        for part, one in zip(self._parts, clean, strict=True):
            logits[part] = one.logits.float()
        self.metric: Metric = task.measure(scope, logits)
        self._logits = logits
        self.full: Array = self.metric.checked(logits, "clean").numpy()
        self.floor: float = self.metric.floor(scope, logits)
        own = self.ablation == "counterfactual"
        if own:  # it keeps both whatever happens
            self._outputs = outputs
        if not own:
            self._written = self._on_corrupted(corrupted)
        self._ablations = [
            EdgeAblation(scope, one, its.of if own else self._replacement(part, 0), self.graph)
            for part, one, its in zip(self._parts, clean, corrupted, strict=True)
        ]
        if len(self._donors) == 1 and not own:
            del self._written  # nothing is drawn again
        self.empty: Array = self.measure(np.zeros((1, self.graph.n_edges), dtype=bool))[0]
        bar.update(self.layers)

    @property
    def layers(self) -> int:
        """How many layers run for one circuit on all pairs."""
        return len(self._parts) * self.scope.n_layers

    @property
    def sentence(self) -> str:
        """What an edge that is out carries, as a sentence."""
        sizes = [len(pairs) for pairs in self._groups]
        number = f" (of {min(sizes)} to {max(sizes)} prompts)" if self.ablation in ("mean", "resample") else ""
        number += f", the mean over up to {len(self._donors)} others" if len(self._donors) > 1 else ""
        return f"{self.ablation}: an edge that is out carries {ABLATIONS[self.ablation]}{number}"

    @property
    def question(self) -> Question:
        """The first pair and its answers."""
        task = self.task
        return question_of(self.scope.tokenizer, task.clean[0], task.corrupted[0], task.answer, task.versus)

    @property
    def texts(self) -> tuple[str, ...]:
        """The clean prompts as text."""
        decode = self.scope.tokenizer.decode
        return tuple(str(decode(row, skip_special_tokens=True)) for row in self.task.clean)

    @property
    def scale(self) -> float:
        """The mean metric of the whole model less that of no edges: what faithfulness is a share of."""
        return float(self.full.mean() - self.empty.mean())

    @property
    def message(self) -> str:
        """Why there is nothing to have a share of; else empty."""
        if not vanishes(self.scale, self.floor):
            return ""
        return (
            f"The mean {self.metric.name} is {self.full.mean():.4g} of the whole model and of no edges, up to "
            "rounding, so that a share of their difference is not defined. Take corrupted prompts that change it."
        )

    def measure(self, included: Mask) -> Array:
        """Return the metric of circuits `[circuit, edge]` of bool, each run by itself: `[circuit, pair]`.

        Raises
        ------
        ValueError
            Where it is NaN.
        """
        found: Array = self.measure_with(included, (self.metric,))[0]
        return found

    @without_gradients
    def measure_with(self, included: Mask, metrics: Sequence[Metric]) -> Array:
        """Return several metrics of circuits `[circuit, edge]` of bool, of one run of each: `[metric, circuit, pair]`.

        Raises
        ------
        ValueError
            Where one is NaN.
        """
        masks = torch.as_tensor(np.atleast_2d(included))
        found = np.zeros((len(metrics), len(masks), len(self.task)))
        for part, edges in zip(self._parts, self._ablations, strict=True):
            for draw in np.flatnonzero(self._weights[:, part].any(1)).tolist():
                one = edges.replacing(self._replacement(part, draw)) if draw else edges
                which = np.flatnonzero(self._weights[draw, part])  # of a small group all gave before
                pairs = [part[at] for at in which]
                logits = one.logits(masks.to(edges.replaced.device), torch.as_tensor(which)).flatten(0, 1)
                rows = torch.tensor(pairs, device=logits.device).repeat(len(masks))
                for metric, values in zip(metrics, found, strict=True):
                    value = metric.of(logits, rows).double().cpu().reshape(len(masks), -1).numpy()
                    values[:, pairs] += value * self._weights[draw, pairs]
        for metric, values in zip(metrics, found, strict=True):
            if np.isnan(values).any():
                wrong = int(np.isnan(values).any(1).sum())
                raise ValueError(f"The metric {metric.name} is NaN for {wrong} of {len(values)} circuits. {OVERFLOW}")
        return found

    @cached_property
    def divergence(self) -> Metric:
        """Kullback-Leibler divergence of a run's last logits from the whole model's, in nats."""
        return metric_of("kl", self.scope.tokenizer, None, None, len(self.task), self._logits)

    @cached_property
    def divergence_floor(self) -> float:
        """The difference that rounding alone may make to a divergence of 0."""
        return self.divergence.floor(self.scope, self._logits)

    def faithfulness(self, metric: Array) -> Array:
        """Return `(m - m(empty)) / (m(full) - m(empty))` of mean metrics `[..., pair]`; NaN where that is rounding."""
        shares: Array = np.asarray(share(metric.mean(-1) - self.empty.mean(), self.scale, self.floor))
        return shares

    def parts(self) -> Iterator[tuple[list[int], ComponentOutputs, Tensor]]:
        """Yield the pairs in parts: which they are, what is written on the clean prompts, and what replaces it."""
        for part, edges in zip(self._parts, self._ablations, strict=True):
            yield part, edges.clean, edges.replaced

    def _replacement(self, part: list[int], draw: int) -> Tensor:
        longest = max(len(self.task.clean[pair]) for pair in part)
        written = self._written[:, :, :longest]
        return replacement_values(self.ablation, written, part, self._groups, self._donors[draw])

    def _on_corrupted(self, corrupted: list[ComponentOutputs]) -> Tensor:
        """Return what is written on all corrupted prompts, `[sender, pair, position, d_model]`, padded."""
        # pairs of one group have one length, so that positions correspond whatever the padding
        longest = max(map(len, self.task.clean))
        widened = [
            torch.nn.functional.pad(one.of, (0, 0, 0, max(0, longest - one.of.shape[2])))[:, :, :longest]
            for one in corrupted
        ]
        order = [pair for some in self._parts for pair in some]
        return torch.cat(widened, 1)[:, torch.argsort(torch.tensor(order))]


def preparation(scope: Microscope, task: Task) -> int:
    """Return how many layers run before anything is measured: of clean and corrupted prompts, and of no edges."""
    return 3 * scope.n_layers * -(-len(task) // _PAIRS_AT_ONCE)


def check_memory(scope: Microscope, graph: Graph, task: Task, copies: int = 2) -> None:
    """Raise MemoryError where what the clean and corrupted prompts write would not fit, so many times over."""
    longest = max(map(len, task.clean))
    each = copies * len(graph.senders) * longest * scope.d_model * scope.model.dtype.itemsize
    free = _free(scope)
    if free is not None and each * len(task) > _MEMORY_SHARE * free:
        fitting = int(_MEMORY_SHARE * free // each)
        raise MemoryError(
            f"{len(task)} pairs of up to {longest} tokens need {each * len(task) / 2**30:.1f} GB for what each of "
            f"{len(graph.senders)} nodes writes, and {free / 2**30:.1f} GB are free: "
            + (f"take at most {fitting} pairs, task[:{fitting}]." if fitting else "take shorter prompts.")
        )


def _free(scope: Microscope) -> float | None:
    """Return the free bytes on the model's device; None where the system does not say."""
    if scope.model.device.type == "cuda":
        return float(torch.cuda.mem_get_info(scope.model.device)[0])
    try:
        return float(free_host_memory())  # what holds files counts as free
    except ValueError:
        return None
