"""Ctrl-C at any line of any analysis leaves nothing behind, and the next call is right."""

from __future__ import annotations

import itertools
import os
import random

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, circuits, editing, heads, ioi, lens, patching, steering
from scope_widgets._partial_result import Interrupted
from scope_widgets._result import Result
from scope_widgets.traces.trace import Trace
from tests.support.fake_transport import fake_remote
from tests.support.interrupts import NNSIGHT, OURS, State, interrupted_at, lines_of
from tests.support.tiny_models import tiny_model, tiny_tokenizer

CLEAN = [3, 4, 5, 6, 7, 8, 9, 10]
CORRUPTED = [3, 4, 5, 11, 7, 8, 9, 10]
QUESTION = {"answer": 12, "versus": 13}
FAMILIES = ("llama", "gpt_neo")
#: of the lines that an earlier analysis runs too, one of so many is interrupted in a later one
ONE_OF = 50


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
    return found, circuits.faithfulness(scope, found, task=_task(scope), draws=2)


def _nodes(scope):
    return circuits.discover(scope, _task(scope), "patching")


def _edited_fact(scope):
    corpus = [[1, *range(3, 15)], [1, *range(20, 40)]]
    edit = editing.edit_fact(scope, "w9 w20 w21 w30", "w20 w21", "w50", corpus=corpus, layer=1, steps=2)
    with edit:
        return edit.effect, scope.trace(CLEAN).logits


def _far(scope):
    far = fake_remote(scope)
    trace = far.trace(CLEAN)
    return trace.logits, trace.residual(1), heads.score(trace, null_draws=2), heads.importance(far, CLEAN)


def _far_session(scope):
    far = fake_remote(scope)
    session = steering.Session(far, CLEAN, [steering.AddDirection(_direction(scope))], **QUESTION)
    return session.at([0.3]).probabilities


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
    "nodes": _nodes,
    "fact edit": _edited_fact,
    "remote": _far,
    "remote session": _far_session,
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


def broken_by(scope, work, place, expected, state):
    """Interrupt `work`, and return what it left, whether the next call is wrong, and what is left then.

    Every other time the traceback is held meanwhile, as notebooks hold the last one.
    """
    error = interrupted_at(place, lambda: work(scope))
    wrong = not_a_part(error.result, expected) if isinstance(error, Interrupted) else False
    if place[2] % 2 == 0:
        error = None
    left = state.left()
    try:
        wrong = wrong or different(numbers(work(scope)), expected)
    except Exception as problem:
        wrong = repr(problem)
    del error
    return left, wrong, state.left()


def different(found, expected):
    pairs = zip(found, expected, strict=False)
    return len(found) != len(expected) or not all(np.allclose(a, b, atol=1e-5, equal_nan=True) for a, b in pairs)


def not_a_part(result, expected):
    """Return whether a result that an interrupted analysis gave has a row that the whole one does not have."""
    return [
        row
        for found, whole in zip(numbers(result), expected, strict=False)
        for row in found
        if not (np.isclose(row, whole, atol=1e-5) | np.isnan(row)).all(-1).any()
    ]


@pytest.fixture(params=FAMILIES)
def scope(request, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    return scope_of(request.param)


def scope_of(family):
    return Microscope.for_model(tiny_model(family), tiny_tokenizer())


def interrupted_everywhere(scope, work, places):
    """Interrupt an analysis at some lines in turn; return what went wrong and where."""
    expected = numbers(work(scope))
    state = State(scope)
    return [found for place in places if any((found := (place, *broken_by(scope, work, place, expected, state)))[1:])]


def some_of(places, name, n):
    """Return `n` places, drawn, or all of fewer."""
    return random.Random(name).sample(places, min(n, len(places)))


@pytest.mark.parametrize(("name", "family"), zip(WORK, itertools.cycle(FAMILIES)))
def test_some_lines(name, family, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    scope = scope_of(family)
    places = lines_of(lambda: WORK[name](scope))
    assert interrupted_everywhere(scope, WORK[name], some_of(places, name, 4)) == []


@pytest.fixture(scope="module")
def all_lines():
    """Return the places of each analysis in each family: each line that none before it runs, and a few of the others.

    Of such a line the first, the second or the last time that it runs, in turn: each is minutes of the whole.
    """
    seen, found = set(), {}
    for family in FAMILIES:
        scope = scope_of(family)
        for name, work in WORK.items():
            places = lines_of(lambda work=work, scope=scope: work(scope))
            times = {line: list(same) for line, same in itertools.groupby(places, lambda place: place[:2])}
            new = [same[at % len(same)] for at, (line, same) in enumerate(times.items()) if line not in seen]
            old = [place for place in places if place[:2] in seen]
            seen |= set(times)
            found[family, name] = new + some_of(old, name, len(old) // ONE_OF)
    return found


@pytest.mark.soak
@pytest.mark.timeout(36000)
@pytest.mark.parametrize("name", WORK)
@pytest.mark.parametrize("family", FAMILIES)
def test_all_lines(family, name, all_lines, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    assert interrupted_everywhere(scope_of(family), WORK[name], all_lines[family, name]) == []


@pytest.mark.soak
@pytest.mark.timeout(36000)
@pytest.mark.parametrize("name", ["trace", "first trace", "logits", "watch", "steer"])
def test_lines_of_nnsight(scope, name):
    places = lines_of(lambda: WORK[name](scope), (OURS, NNSIGHT))
    assert interrupted_everywhere(scope, WORK[name], some_of(places, name, 150)) == []


@pytest.mark.parametrize("n", [1, pytest.param(60, marks=[pytest.mark.soak, pytest.mark.timeout(36000)])])
def test_lines_of_ioi(n, monkeypatch):
    """The demo model does the task, so that heads are looked for; they take a second, so that some lines are."""
    monkeypatch.setenv("TQDM_DISABLE", "1")
    scope = Microscope.load("demo")
    prompts = ioi.prompts(scope, n=11)
    work = lambda scope: ioi.detect(scope, prompts)  # noqa: E731
    places = [place for place in lines_of(lambda: work(scope)) if f"{os.sep}ioi{os.sep}" in place[0]]
    assert interrupted_everywhere(scope, work, some_of(places, "ioi", n)) == []
