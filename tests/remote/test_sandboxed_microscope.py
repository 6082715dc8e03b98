"""A microscope in a process without weights, before anything is asked of the server."""

from types import SimpleNamespace

import torch

from scope_widgets.remote.worker.sandboxed_microscope import SandboxedMicroscope
from tests.support.tiny_models import tiny_model, tiny_tokenizer


def envoy(module, **more):
    return SimpleNamespace(_module=module, _children=[envoy(child) for child in module.children()], **more)


def test_a_family_that_is_known_is_not_run_to_be_known():
    model = tiny_model("llama").to("meta")
    scope = SandboxedMicroscope(envoy(model, tokenizer=tiny_tokenizer()), "someone/model", None)
    assert scope.model.device == torch.device("cpu")
    assert (scope.n_layers, scope.calls) == (model.config.num_hidden_layers, ())
