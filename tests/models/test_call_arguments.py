"""Arguments by name, whatever stands in the place of a module's forward."""

import inspect
from functools import partial

import pytest
import torch

from scope_widgets import Microscope, steering
from scope_widgets.models.call_arguments import call_arguments
from tests.support.tiny_models import tiny_model, tiny_tokenizer

IDS = torch.tensor([[3, 4, 5, 6]])


def _without_names(own, *args, **kwargs):
    return own(*args, **kwargs)


@pytest.mark.parametrize("family", ["llama", "gpt_neo"])
def test_names_are_those_of_the_class(family):
    """While another thread traces, a module's forward is nnsight's and names nothing."""
    model = tiny_model(family)
    model.forward = partial(_without_names, model.forward)
    mask = torch.ones_like(IDS)
    given = call_arguments(model, (IDS, mask) if family == "llama" else (IDS, None, mask), {"logits_to_keep": 1})
    third = list(inspect.signature(type(model).forward).parameters)[2]  # of a cache, which has two names
    expected = {"input_ids": IDS, "attention_mask": mask, "logits_to_keep": 1}
    assert given == (expected if family == "llama" else expected | {third: None})


@pytest.mark.parametrize("family", ["llama", "gpt_neo"])
def test_a_watch_and_a_session_begin_while_forward_names_nothing(family):
    model = tiny_model(family)
    scope = Microscope.for_model(model, tiny_tokenizer())
    expected = scope.trace(IDS[0].tolist()).logits
    modules = [module for module in model.modules() if module is not model]
    try:
        for module in (model, *modules):
            module.forward = partial(_without_names, module.forward)
        with scope.watch() as trace:
            model(IDS)
        with steering.steer(scope, steering.ScaleHead(1, 2, 1.0)):
            steered = model(IDS).logits
    finally:
        for module in (model, *modules):
            del module.forward
    torch.testing.assert_close(trace.logits, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(steered[0], expected, atol=1e-5, rtol=1e-5)
