"""Ctrl-C while something must not be left half done."""

import os
import signal

import pytest
import torch

from scope_widgets.models.guards.defer_interrupt import defer_interrupt


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


IDS = torch.tensor([[5, 9, 31, 44]])


def kill(value):
    os.kill(os.getpid(), signal.SIGINT)
    return value


@pytest.mark.parametrize("site", ["residual", "z", "mlp_out"])
def test_a_forward_ends_before_the_next_block(demo, site):
    before, reached = demo.logits(IDS), []
    with pytest.raises(KeyboardInterrupt):
        demo.logits(IDS, {(site, 0): kill, ("residual", 2): lambda value: reached.append(2) or value})
    assert not reached
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert torch.equal(demo.logits(IDS), before)


def test_a_recorded_forward_ends_too(demo):
    reached = []
    first, last = demo.anatomy.blocks[0].block, demo.anatomy.blocks[-1].block
    hooks = [
        first.register_forward_pre_hook(lambda *_: os.kill(os.getpid(), signal.SIGINT)),
        last.register_forward_pre_hook(lambda *_: reached.append(1)),
    ]
    try:
        with pytest.raises(KeyboardInterrupt):
            demo.trace(IDS[0].tolist())
    finally:
        for hook in hooks:
            hook.remove()
    assert not reached
    assert torch.equal(demo.trace(IDS[0].tolist()).logits, demo.logits(IDS)[0])


def test_a_handler_that_does_not_raise_does_not_end_the_forward(demo):
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    try:
        logits = demo.logits(IDS, {("residual", 0): kill})
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [1]
    assert torch.equal(logits, demo.logits(IDS))
