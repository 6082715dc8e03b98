"""`plan`: what each stage will take, in seconds and bytes, from the sizes of the model and one timed forward."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from scope_widgets.features.recording.record import width_of
from scope_widgets.models.microscope import LocalMicroscope, Microscope
from scope_widgets.models.tokens import encode
from scope_widgets.report.pipeline.settings import Settings
from scope_widgets.report.pipeline.stages.recording import tokens_at_once
from scope_widgets.report.pipeline.texts import recorded_texts

#: tokens of the forward that is timed, and of a pair of a task, about
_PROMPTS, _LENGTH, _PAIR = 8, 64, 20
#: bytes that Python and its libraries take
_BASE = 450 * 10**6
#: forwards of all pairs of a task that its circuit and its test take, and its entries with theirs: measured
_CIRCUIT, _ENTRIES, _FEATURES = 60.0, 900.0, 60.0


@dataclass(frozen=True)
class Planned:
    """What a stage will take, about.

    Attributes
    ----------
    stage : str
    seconds : float
        NaN of a model on a server.
    peak_bytes : int
    """

    stage: str
    seconds: float
    peak_bytes: int


def plan(scope: Microscope, settings: Settings, stages: list[str]) -> list[Planned]:
    """Return what each stage will take; an estimate for a machine that does nothing else.

    Parameters
    ----------
    scope : Microscope
    settings : Settings
    stages : list of str
        Names of those that are to be run.
    """
    layers, width, pairs = len(settings.layers_of(scope)), width_of(scope, "residual"), settings.pairs
    texts, _ = recorded_texts(scope, settings)
    tokens = sum(map(len, encode(scope.tokenizer, list(texts), None)[0]))  # type: ignore[arg-type]
    token, flops, weights = _speed(scope)
    rows, d_sae = min(4000, tokens), 4 * width
    heads = max(1, scope.n_layers * scope.n_heads)
    of_tasks = len(settings.tasks) * pairs * _PAIR * token
    seconds: dict[str, Callable[[], float]] = {
        "architecture": lambda: 1 + 5000 * token,
        "recording": lambda: 0.5 + 1.5 * tokens * token,
        "geometry": lambda: layers * (1 + 40 * rows**2 * width / flops),
        "saes": lambda: 1 + (500 * min(1024, tokens) * 12 + 2 * tokens) * width * d_sae / flops,
        "heads": lambda: 1 + 12_000 * token + pairs * _PAIR * token * 0.7 * heads,
        "circuits": lambda: 1 + _CIRCUIT * of_tasks,
        "documentation": lambda: 5 + (_ENTRIES + _FEATURES * (not settings.skip_sae)) * of_tasks,
        "evals": lambda: 5 + settings.num_samples * 600 * token,
        "report": lambda: 2.0,
    }
    context = min(256, scope.anatomy.context)
    traced: dict[str, Callable[[], int]] = {
        "recording": lambda: _peak(scope, tokens_at_once(scope, context) // context, context, ("residual",)),
        "geometry": lambda: weights + 8 * rows * (4 * width + 4096),
        "saes": lambda: weights + 4 * (10 * width * d_sae + 4 * tokens * width),
        "heads": lambda: _peak(scope, 32, _LENGTH, ("attention",)),
        "circuits": lambda: _peak(scope, pairs // 2, _PAIR, None) * 2 - weights,
        "documentation": lambda: _peak(scope, pairs, _PAIR, None) * 2 - weights,
    }
    return [
        Planned(name, round(seconds[name](), 1), _BASE + traced.get(name, lambda: weights)()) for name in stages
    ]  # fmt: skip


def _speed(scope: Microscope) -> tuple[float, float, int]:
    """Return seconds of a token in a forward, floating-point operations of a second, and bytes of the weights."""
    if not isinstance(scope, LocalMicroscope):
        return float("nan"), float("nan"), 0
    length = min(_LENGTH, scope.anatomy.context)
    prompts = [[at % scope.anatomy.d_vocab for at in range(length)]] * _PROMPTS
    scope.trace(prompts, capture=("residual",), logits=None)
    begun = time.perf_counter()
    scope.trace(prompts, capture=("residual",), logits=None)
    token = (time.perf_counter() - begun) / (_PROMPTS * length)
    parameters = list(scope.model.parameters())
    weights = sum(one.numel() * one.element_size() for one in parameters)
    return token, 2 * sum(one.numel() for one in parameters) / token, weights


def _peak(scope: Microscope, prompts: int, length: int, capture: tuple[str, ...] | None) -> int:
    rows = [[0] * min(length, scope.anatomy.context)] * max(1, prompts)
    return scope.estimate(rows, capture=capture).peak
