"""Blocks that are left for certain."""

import contextlib
import threading

import pytest
import torch

from scope_widgets.models.guards.restore_on_exit import finish_broken, putting_back, recording_gradients, with_block
from tests.support.interrupts import interrupted_at, lines_of

FOLDERS = (__file__,)


@with_block
def block(seen, name):
    with putting_back() as back:
        back.later(seen.pop, name, None)
        seen[name] = True
        yield name


def test_a_block_is_as_one_of_contextlib():
    seen = {}
    with block(seen, "a") as given, block(seen, "b"):
        assert given == "a"
        assert set(seen) == {"a", "b"}
    assert seen == {}
    for error in (ValueError("x"), StopIteration(), GeneratorExit()):
        with pytest.raises(type(error)) as raised, block(seen, "a"):
            raise error
        assert raised.value is error
        assert seen == {}
    with contextlib.ExitStack() as stack:
        assert stack.enter_context(block(seen, "a")) == "a"
        assert seen
    assert seen == {}
    by_hand = block(seen, "a")
    assert by_hand.__enter__() == "a"
    assert by_hand.__exit__(None, None, None) is False
    assert seen == {}


def test_a_block_that_is_used_up_says_so():
    seen = {}
    looked_at, twice = block(seen, "a"), block(seen, "a")
    assert hasattr(looked_at, "__exit__")
    with twice:
        assert set(seen) == {"a"}
        with pytest.raises(RuntimeError, match="used up.*new one"), twice:
            pytest.fail("it was entered twice")
        assert set(seen) == {"a"}
    assert seen == {}
    for one in (looked_at, twice):
        with pytest.raises(RuntimeError, match="used up.*new one"), one:
            pytest.fail("it was entered")
        with contextlib.ExitStack() as stack, pytest.raises(RuntimeError, match="used up.*new one"):
            stack.enter_context(one)
        with pytest.raises(RuntimeError, match="left already"):
            one.__exit__(None, None, None)
    assert seen == {}


@pytest.mark.parametrize("held", [False, True])
def test_every_line_of_a_block(held):
    seen = {}

    def work():
        with block(seen, "a"), recording_gradients(False):
            len(seen)

    places = lines_of(work, (*FOLDERS, putting_back.__code__.co_filename))
    assert len(places) > 20
    for place in places:
        error = interrupted_at(place, work)
        kept = error if held else None
        del error
        assert seen == {}, place
        assert torch.is_grad_enabled(), place
        del kept


def test_errors_of_one_do_not_keep_the_others():
    seen = []

    def changes():
        with putting_back() as back:
            back.later(seen.append, 1)
            back.later(lambda: 1 / 0)
            back.later(seen.append, 2)

    with pytest.raises(ZeroDivisionError):
        changes()
    assert seen == [2, 1]


def test_what_two_interrupts_leave_the_next_run_puts_back():
    seen, stops = [], [KeyboardInterrupt, KeyboardInterrupt]

    def undo():
        if stops:
            raise stops.pop()
        seen.append("put back")

    with pytest.raises(KeyboardInterrupt), putting_back() as back:
        back.later(undo)
    assert seen == []
    other = threading.Thread(target=finish_broken)
    other.start()
    other.join()
    assert seen == []
    finish_broken()
    finish_broken()
    assert seen == ["put back"]
