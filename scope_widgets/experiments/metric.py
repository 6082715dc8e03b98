"""Metrics: what is measured on the logits of a prompt's last position."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from scope_widgets._check_choice import check_choice
from scope_widgets._types import Tokens
from scope_widgets.experiments.answer_tokens import answer_ids, check_distinct
from scope_widgets.experiments.statistics.rounding import logit_floor, noise_floor
from scope_widgets.models.execution.activation_edits import Edits
from scope_widgets.models.execution.cached_run import CachedRun
from scope_widgets.models.microscope import Microscope

#: logits [vocabulary] of one prompt, in float32 at least -> one number
MetricFunction: TypeAlias = Callable[[Tensor], Any]
#: all in terms of `answer` and, for the difference, `versus`; "kl" is the divergence in nats from the clean run
MetricName: TypeAlias = Literal["logit_difference", "logit", "probability", "log_probability", "kl"]
#: the metric of some prompts [prompt], and how far rounding moves a logit -> how far it moves the metric
Moves: TypeAlias = Callable[[Tensor, float], Any]
_DRAWS = 8


@dataclass(frozen=True)
class Metric:
    """One number a prompt.

    Attributes
    ----------
    name : str
    of : callable
        `of(logits [row, vocabulary], prompts [row]) -> Tensor [row]`, which autograd can follow; `prompts` says which
        prompt each row belongs to.
    tokens : Tensor of int [prompt, 1 or 2], or None
        Where the metric is a logit, or a difference of two: their tokens.
    moves : callable, or None
        How far rounding of the logits moves this metric; None: found by trying.
    """

    name: str
    of: Callable[[Tensor, Tensor], Tensor]
    tokens: Tensor | None = None
    moves: Moves | None = None

    def again(self, run: CachedRun, edits: Edits, *, rows: Tensor, positions: Tensor, layer: int = 0) -> Tensor:
        """Run again and measure, `[row]` in float64 on the CPU; only what is needed is unembedded."""
        if self.tokens is None:
            return self.of(run.again(edits, rows=rows, positions=positions, layer=layer), rows).double().cpu()
        tokens = self.tokens.to(rows.device)[rows]
        logits = run.again(edits, rows=rows, positions=positions, layer=layer, tokens=tokens).double().cpu()
        return logits[:, 0] - logits[:, 1] if logits.shape[1] == 2 else logits[:, 0]

    def checked(self, logits: Tensor, what: str) -> Tensor:
        """Measure the logits `[prompt, vocabulary]` of a whole run, in float64.

        Raises
        ------
        ValueError
            Where the metric is not finite.
        """
        values = self.of(logits, torch.arange(len(logits), device=logits.device)).detach().double().cpu()
        if not bool(values.isfinite().all()):
            at = int((~values.isfinite()).nonzero()[0])
            raise ValueError(
                f"The metric {self.name} is {float(values[at])} for {what} prompt {at}. It must be a finite number for "
                "every prompt of both runs."
            )
        return values

    def floor(self, scope: Microscope, logits: Tensor) -> float:
        """Return the difference that rounding alone may make to this metric of logits `[prompt, vocabulary]`."""
        floor = logit_floor(scope, logits)
        if self.moves is None:
            return self._tried(logits.detach().float(), floor)
        values = self.of(logits, torch.arange(len(logits), device=logits.device)).detach().double().cpu()
        return float(torch.as_tensor(self.moves(values, floor)).max())

    def _tried(self, logits: Tensor, floor: float) -> float:
        # not of torch, whose draws depend on the instruction set
        draws = np.random.default_rng(0).normal(0, floor / 2, (_DRAWS, logits.shape[-1]))
        moved = torch.as_tensor(np.concatenate([draws[:1] * 0, draws]), dtype=logits.dtype, device=logits.device)
        most = 0.0
        for prompt in range(len(logits)):
            rows = torch.full((len(moved),), prompt, device=logits.device)
            values = self.of(logits[prompt] + moved, rows).detach().double()
            most = max(most, float((values - values[0]).abs().nan_to_num(0.0).max()))
        return most


def metric_of(
    metric: MetricName | MetricFunction | None,
    tokenizer: Any,
    answer: Tokens | None,
    versus: Tokens | None,
    n: int,
    reference: Tensor | None = None,
) -> Metric:
    """Return the metric that a caller asks for.

    Parameters
    ----------
    metric : str, callable or None
        A `MetricName`; a function of one prompt's logits [vocabulary]; None: the logit difference if `versus` is
        given, else the answer's log-probability.
    tokenizer
        The model's.
    answer, versus : str, int, or a sequence of n of these, or None
        Tokens.
    n : int
        Number of prompts.
    reference : Tensor [prompt, vocabulary], optional
        The clean run's logits, from which "kl" is measured.

    Raises
    ------
    TypeError, ValueError
        For an unknown metric, tokens that it needs and that were not given, or that are not one token each.
    """
    if callable(metric):
        return _of_function(metric)
    name = metric or ("log_probability" if versus is None else "logit_difference")
    check_choice("metric", name, MetricName, "a function of the logits")
    if name == "kl":
        if reference is None:
            raise ValueError("metric='kl' needs a clean run to measure the divergence from.")
        log_p = reference.detach().float().log_softmax(-1)
        rounding = noise_floor(torch.float32, float(log_p.where(log_p.isfinite(), 0.0).abs().max()))
        return Metric(
            name,
            lambda logits, rows: divergence(log_p[rows], logits.float().log_softmax(-1)),
            # of second order around the run itself, else by Pinsker's inequality
            moves=lambda values, floor: floor**2 / 2 + floor * (2 * values.clamp_min(0.0)).sqrt() + rounding,
        )
    if answer is None:
        raise ValueError(f"metric={name!r} needs answer=, such as answer=' Mary'.")
    ids = answer_ids(tokenizer, answer, n, logits=reference)
    if name == "logit_difference":
        if versus is None:
            raise ValueError("metric='logit_difference' needs versus= beside answer=, such as versus=' John'.")
        others = answer_ids(tokenizer, versus, n, "versus", logits=reference)
        check_distinct(tokenizer, ids, others)
        both = torch.stack([ids, others], -1)
        return Metric(
            name,
            lambda logits, rows: _at(logits, ids[rows.cpu()]) - _at(logits, others[rows.cpu()]),
            both,
            moves=lambda values, floor: floor,
        )
    if name == "logit":
        return Metric(
            name, lambda logits, rows: _at(logits, ids[rows.cpu()]), ids[:, None], moves=lambda values, floor: floor
        )
    if name == "probability":
        return Metric(
            name,
            lambda logits, rows: _at(logits.float().softmax(-1), ids[rows.cpu()]),
            moves=lambda values, floor: values * (floor + noise_floor(torch.float32, 1.0)),
        )
    return Metric(
        name,
        lambda logits, rows: _at(logits.float().log_softmax(-1), ids[rows.cpu()]),
        moves=lambda values, floor: floor + noise_floor(torch.float32, float(values.abs().max())),
    )


def _at(values: Tensor, ids: Tensor) -> Tensor:
    # in float64, as in `Metric.again`: a difference rounded to half precision would be another one
    return values.gather(-1, ids.to(values.device)[:, None])[:, 0].double()


def divergence(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence `sum p ln(p / q)` in nats over the last axis; NaN where either is NaN."""
    # a token that the model rules out (logit -inf) contributes nothing
    return torch.where(log_p.isneginf() & ~log_q.isnan(), 0.0, log_p.exp() * (log_p - log_q)).sum(-1)


def _of_function(metric: MetricFunction) -> Metric:
    name = getattr(metric, "__name__", type(metric).__name__)

    def number(logits: Tensor) -> Tensor:
        # half precision is for models; a softmax would lose digits in it, and NumPy does not know bfloat16
        given = metric(logits.float() if logits.dtype.itemsize < 4 else logits)
        try:
            value = torch.as_tensor(given)
            what = f"{value.numel()} (shape {tuple(value.shape)})"
        except (RuntimeError, TypeError, ValueError):
            value, what = torch.empty(0), repr(given)
        if value.numel() != 1:
            raise ValueError(
                f"The metric {name} must give one number for the logits [vocabulary] of one prompt's last position; "
                f"it gave {what}."
            )
        return value.reshape(()).to(logits.device, torch.float64)

    return Metric(name, lambda logits, rows: torch.stack([number(one) for one in logits]))
