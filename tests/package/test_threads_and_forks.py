"""The user's own calls beside ours, in other threads and in forked processes."""

import os
import signal
import threading
import time

import numpy as np
import pytest
import torch
from tqdm import tqdm

from scope_widgets import Microscope
from tests.package.test_interrupts import WORK, numbers
from tests.support.forked import Forked, copied
from tests.support.interrupts import State
from tests.support.tiny_models import tiny_model, tiny_tokenizer

IDS = torch.tensor([[3, 4, 5, 6, 7, 8]])
OURS = ("trace", "watch", "logits", "steer", "patching", "session", "importance", "first trace", "circuit")


@torch.no_grad()
def plain(scope):
    return scope.model(IDS).logits


def mixed(scope, calls):
    """Run calls of ours in four threads and plain forwards in four others; return errors and wrong numbers."""
    expected = {name: numbers(WORK[name](scope)) for name in OURS}
    own, todo, wrong = plain(scope), iter(range(calls)), []
    ended = threading.Event()

    def ours():
        for at in todo:
            name = OURS[at % len(OURS)]
            try:
                found = numbers(WORK[name](scope))
                for a, b in zip(found, expected[name], strict=True):
                    np.testing.assert_allclose(a, b, atol=1e-4)
            except Exception as error:
                wrong.append((name, repr(error)[:300]))

    def theirs():
        while not ended.wait(0.01):  # there are two cores, and eight threads
            try:
                torch.testing.assert_close(plain(scope), own, atol=1e-5, rtol=1e-5)
            except Exception as error:
                wrong.append(("plain", repr(error)[:300]))

    state = State(scope)
    threads = [threading.Thread(target=ours) for _ in range(4)]
    others = [threading.Thread(target=theirs) for _ in range(4)]
    for one in (*threads, *others):
        one.start()
    for one in threads:
        one.join()
    ended.set()
    for one in others:
        one.join()
    return wrong + state.left()


@pytest.fixture(params=["llama", "gpt_neo"])
def scope(request):
    return Microscope.for_model(tiny_model(request.param), tiny_tokenizer())


def few_or(many, few):
    """Run a test with a few, and in a soak with many."""
    soak = pytest.param(many, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])
    return pytest.mark.parametrize("n", [few, soak])


@few_or(1000, 2 * len(OURS))
def test_calls_of_ours_beside_plain_forwards(scope, n):
    assert mixed(scope, n) == []


def forked_while_busy(scope, forks):
    """Fork while threads are in runs of ours; return the children that hung or got something else."""
    expected, own, ended = scope.trace(IDS[0].tolist()).logits, plain(scope), threading.Event()

    def busy(name):
        while not ended.is_set():
            WORK[name](scope)

    threads = [threading.Thread(target=busy, args=(name,)) for name in ("trace", "watch", "steer")]
    for one in threads:
        one.start()
    failed = []
    try:
        for at in range(forks):
            time.sleep(0.01 * (at % 7))  # at another moment of the runs
            child = os.fork()
            if child == 0:
                try:
                    copied()
                    found = scope.trace(IDS[0].tolist()).logits
                    same = all(torch.allclose(*two, atol=1e-5) for two in ((found, expected), (plain(scope), own)))
                    os._exit(0 if same and not State(scope).strange() else 1)
                finally:
                    os._exit(2)
            failed += _end_of(child)
    finally:
        ended.set()
        for one in threads:
            one.join()
    return failed


def _end_of(child):
    for _ in range(600):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return [status] if status else []
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return ["hung"]


@few_or(50, 2)
def test_forks_while_busy(scope, n):
    assert forked_while_busy(scope, n) == []


def test_a_copy_that_is_killed_in_a_progress_bar_does_not_block_this_process(tmp_path):
    def holding():
        with tqdm.get_lock():
            (tmp_path / "holding").touch()
            time.sleep(60)

    tqdm.get_lock()  # it is there before the fork, and shared, as in any process that has shown a bar
    child = Forked(holding)
    while not (tmp_path / "holding").exists():
        assert not child.ended
        time.sleep(0.001)
    child.kill()
    assert all(lock.acquire(timeout=10) for lock in tqdm.get_lock().locks)
    tqdm.get_lock().release()
