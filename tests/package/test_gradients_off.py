"""Whether a caller has gradients off, as notebooks often do at their top, changes no number and is left as it was."""

import itertools

import pytest
import torch

from tests.package.test_interrupts import FAMILIES, WORK, different, numbers, scope_of


@pytest.mark.parametrize(("name", "family"), zip(WORK, itertools.cycle(FAMILIES)))
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_numbers_are_the_same_where_gradients_are_off(name, family, mode):
    scope = scope_of(family)
    with mode():
        found = numbers(WORK[name](scope))
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
    assert not different(found, numbers(WORK[name](scope)))
