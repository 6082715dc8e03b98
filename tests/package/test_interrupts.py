"""Ctrl-C at any line of any analysis leaves nothing behind, and the next call is right."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, circuits, editing, heads, lens, patching, steering
from scope_widgets._result import Result
from scope_widgets.traces.trace import Trace
from tests.support.interrupts import NNSIGHT, OURS, State, interrupted_after, interrupted_at, lines_of
from tests.support.tiny_models import tiny_model, tiny_tokenizer

CLEAN = [3, 4, 5, 6, 7, 8, 9, 10]
CORRUPTED = [3, 4, 5, 11, 7, 8, 9, 10]
QUESTION = {"answer": 12, "versus": 13}
FAMILIES = ("llama", "gpt_neo")


def _fresh(scope):
    """Return another microscope of the same model: its first call wraps the model and finds its parts."""
    return Microscope.for_model(scope.model, scope.tokenizer, "fresh")


def _watch(scope):
    with scope.watch() as trace:
        scope.model(torch.tensor([CLEAN]))
    return trace


def _steer(scope):
    direction = _direction(scope)
    with steering.steer(scope, steering.AddDirection(direction, 0.5), steering.ScaleHead(1, 1, 0.5)):
        return scope.model(torch.tensor([CLEAN])).logits.detach()


def _steered_text(scope):
    with steering.steer(scope, steering.AddDirection(_direction(scope), 0.5)):
        return scope.generate(CLEAN, max_new_tokens=2)


def _direction(scope):
    return steering.direction(scope, positive=[CLEAN], negative=[CORRUPTED], layer=1)


def _session(scope):
    session = steering.Session(scope, CLEAN, [steering.AddDirection(_direction(scope))], **QUESTION)
    texts = list(session.continuations([[0.5]], max_new_tokens=2))
    return session.at([0.3]).probabilities, session.at([0.6]).probabilities, str(texts)


def _patched(scope):
    with editing.FeaturePatch(scope, _direction(scope), strength=-1.0) as patch:
        one = scope.trace(CLEAN).logits
        patch.strength = 0.5
        return one, scope.trace(CLEAN).logits


def _orthogonal(scope):
    with editing.orthogonalise(scope, _direction(scope)):
        return scope.trace(CLEAN).logits


def _task(scope):
    pairs = ([CLEAN, CLEAN[::-1]], [CORRUPTED, CORRUPTED[::-1]], [12, 14], [13, 15])
    return circuits.Task.of(scope, *pairs, name="made up")


def _circuit(scope):
    found = circuits.discover(scope, _task(scope), "eap-ig", steps=2).keep(n_edges=10)
    return found, circuits.faithfulness(scope, found, task=_task(scope))


WORK = {
    "trace": lambda scope: scope.trace(CLEAN),
    "first trace": lambda scope: _fresh(scope).trace([CLEAN, CORRUPTED[:5]]),
    "watch": _watch,
    "logits": lambda scope: scope.logits(torch.tensor([CLEAN]), {("z", 1): torch.zeros_like}),
    "generate": lambda scope: scope.generate(CLEAN, max_new_tokens=2),
    "patching": lambda scope: patching.activations(scope, CLEAN, CORRUPTED, **QUESTION, over="residual"),
    "sweep": lambda scope: patching.sweep(scope, CLEAN, CORRUPTED, **QUESTION).submit().result(progress=False),
    "paths": lambda scope: patching.paths(scope, CLEAN, CORRUPTED, **QUESTION),
    "circuit": _circuit,
    "session": _session,
    "steer": _steer,
    "steered text": _steered_text,
    "patch": _patched,
    "orthogonalise": _orthogonal,
    "importance": lambda scope: heads.importance(scope, CLEAN),
    "lens": lambda scope: lens.logit_lens(scope.trace(CLEAN)),
}


def numbers(found):
    """Return all numbers of what an analysis returns."""
    if isinstance(found, torch.Tensor):
        return [found.detach().float().numpy()]
    if isinstance(found, np.ndarray):
        return [found]
    if isinstance(found, Trace):
        sites = [one for one in ("residual", "q", "z", "attention") if one in found.values]
        return [layer.float().numpy() for site in sites for layer in found.values[site]]
    if isinstance(found, tuple | list):
        return [array for one in found for array in numbers(one)]
    if isinstance(found, Result):
        table = found.to_dataframe().select_dtypes("number")
        return [table.to_numpy(dtype=float)]
    return []


def broken_by(scope, work, place, expected, state, folders=(OURS,)):
    """Interrupt `work`, and return what it left, whether the next call is wrong, and what is left then.

    Every other time the traceback is held meanwhile, as notebooks hold the last one.
    """
    error = interrupted_at(place, lambda: work(scope), folders)
    if place[2] % 2 == 0:
        error = None
    left = state.left()
    try:
        wrong = different(numbers(work(scope)), expected)
    except Exception as problem:
        wrong = repr(problem)
    del error
    return left, wrong, state.left()


def different(found, expected):
    pairs = zip(found, expected, strict=False)
    return len(found) != len(expected) or not all(np.allclose(a, b, atol=1e-5, equal_nan=True) for a, b in pairs)


@pytest.fixture(params=FAMILIES)
def scope(request, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    return Microscope.for_model(tiny_model(request.param), tiny_tokenizer())


def interrupted_everywhere(scope, name, most=None, folders=(OURS,)):
    """Interrupt an analysis at its lines in turn, or at some of them; return what went wrong and where."""
    work = WORK[name]
    expected = numbers(work(scope))
    state = State(scope)
    places = lines_of(lambda: work(scope), folders)
    places = places if most is None else random.Random(name).sample(places, min(most, len(places)))
    return [
        found
        for place in places
        if any((found := (place, *broken_by(scope, work, place, expected, state, folders)))[1:])
    ]


@pytest.mark.parametrize("name", WORK)
def test_some_lines(scope, name):
    assert interrupted_everywhere(scope, name, 4) == []


@pytest.mark.soak
@pytest.mark.timeout(36000)
@pytest.mark.parametrize("name", WORK)
def test_all_lines(scope, name):
    assert interrupted_everywhere(scope, name) == []


@pytest.mark.soak
@pytest.mark.timeout(36000)
@pytest.mark.parametrize("name", ["trace", "first trace", "logits", "watch", "steer"])
def test_lines_of_nnsight(scope, name):
    assert interrupted_everywhere(scope, name, 300, (OURS, NNSIGHT)) == []


def signals(scope, n, seed=0):
    """Send real signals at random moments; return what went wrong."""
    draw, known, wrong = random.Random(seed), {}, []
    for at in range(n):
        name = draw.choice(list(WORK))
        work = WORK[name]
        if name not in known:
            begun = time.perf_counter()
            known[name] = numbers(work(scope)), time.perf_counter() - begun, State(scope)
        expected, took, state = known[name]
        error = interrupted_after(draw.uniform(1e-4, 1.2 * took), lambda work=work: work(scope))
        if at % 2:
            error = None
        left, bad = state.left(), different(numbers(work(scope)), expected)
        wrong += [(name, left, bad)] if left or bad else []
        del error
    return wrong


@pytest.mark.soak
@pytest.mark.timeout(36000)
def test_1000_signals(scope):
    assert signals(scope, 1000) == []
