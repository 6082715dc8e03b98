"""Ctrl-C as it comes, at random moments: a signal, which Python's handler raises between two instructions."""

import random
import time

import pytest

from tests.package.test_interrupts import FAMILIES, WORK, different, numbers, scope_of
from tests.support.interrupts import State, interrupted_after


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


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("n", [6, pytest.param(1000, marks=[pytest.mark.soak, pytest.mark.timeout(36000)])])
def test_signals_at_random_moments(family, n, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    assert signals(scope_of(family), n) == []
