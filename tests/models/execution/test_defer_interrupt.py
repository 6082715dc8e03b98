"""Ctrl-C while something must not be left half done."""

import os
import signal

import pytest

from scope_widgets.models.execution.defer_interrupt import defer_interrupt


def test_the_first_interrupt_waits_and_the_second_breaks_in():
    done = []

    def interrupted(times):
        with defer_interrupt():
            for time in range(times):
                os.kill(os.getpid(), signal.SIGINT)
                done.append(time + 1)

    with pytest.raises(KeyboardInterrupt):
        interrupted(1)
    assert done == [1]
    with pytest.raises(KeyboardInterrupt):
        interrupted(2)
    assert done == [1, 1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with defer_interrupt():
        pass
