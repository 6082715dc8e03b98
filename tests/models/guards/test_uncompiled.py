"""What torch.compile has compiled without us must not run with us."""

import threading

import pytest
import torch

from scope_widgets import Microscope, editing, patching, steering
from scope_widgets.models.guards.uncompiled import uncompiled
from tests.support.tiny_models import tiny_model, tiny_tokenizer

IDS = [3, 17, 5, 44, 9, 17, 5, 80]


def of_the_whole(model):
    return torch.compile(model, backend="eager")


def in_place(model):
    model.compile(backend="eager")
    return model


def of_the_forward(model):
    model.forward = torch.compile(model.forward, backend="eager")
    return model


def of_the_blocks(model):
    for block in model.model.layers:
        block.forward = torch.compile(block.forward, backend="eager")
    return model


def blocks_in_wrappers(model):
    for i, block in enumerate(model.model.layers):
        model.model.layers[i] = torch.compile(block, backend="eager")
    return model


#: of the whole and of parts; the others are compiled as one of these two
WAYS = [
    of_the_whole,
    of_the_blocks,
    *(pytest.param(way, marks=pytest.mark.heavy) for way in (in_place, of_the_forward, blocks_in_wrappers)),
]


@pytest.fixture(params=WAYS)
def compiled(request):
    """A compiled model that has run, a microscope of it, and one of the same model as it was written."""
    torch._dynamo.reset()
    model = request.param(tiny_model("llama"))
    with torch.no_grad():
        model(torch.tensor([IDS]))
    return model, *(Microscope.for_model(one, tiny_tokenizer()) for one in (model, tiny_model("llama")))


def close(a, b):
    torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-4)


@torch.no_grad()
def test_a_compiled_model_under_the_microscope(compiled):
    model, scope, plain = compiled
    ids = torch.tensor([IDS])
    own = plain.model(ids).logits
    with scope.watch() as watched:
        model(ids)
    trace, expected = scope.trace(IDS), plain.trace(IDS)
    for one in (watched, trace):
        close(one.logits, expected.logits)
        for layer in range(scope.n_layers):
            for site in expected.captured:
                close(getattr(one, site)(layer), getattr(expected, site)(layer))
    scaled = steering.ScaleHead(1, 2, 0.0)
    with steering.steer(scope, scaled), steering.steer(plain, scaled):
        steered = model(ids).logits
        close(steered, plain.model(ids).logits)
        assert scope.generate("w3 w4 w5", max_new_tokens=4) == plain.generate("w3 w4 w5", max_new_tokens=4)
        close(scope.trace(IDS).logits, steered[0])
    assert (steered - own).abs().max() > 0.1
    pair = {"clean": IDS, "corrupted": [3, 17, 6, *IDS[3:]], "answer": 5, "versus": 6, "over": "head"}
    close(*(torch.tensor(patching.activations(one, **pair).values) for one in (scope, plain)))
    close(model(ids).logits, own)  # compiled again, without us
    assert scope.generate("w3 w4 w5", max_new_tokens=4) == plain.generate("w3 w4 w5", max_new_tokens=4)


@torch.no_grad()
def test_edits_of_weights_are_seen_by_what_is_compiled(compiled):
    model, scope, plain = compiled
    ids = torch.tensor([IDS])
    before = model(ids).logits
    names = steering.direction(plain, vector=torch.arange(32.0).numpy(), layer=1, positive=[IDS])
    with editing.orthogonalise(scope, names), editing.orthogonalise(plain, names):
        edited = model(ids).logits
        close(edited, plain.model(ids).logits)
        close(scope.trace(IDS).logits, edited[0])
    assert (edited - before).abs().max() > 1e-2
    close(model(ids).logits, before)


@torch.no_grad()
def test_what_is_compiled_in_a_block_does_not_keep_the_hooks():
    torch._dynamo.reset()
    scope = Microscope.for_model(tiny_model("llama"), tiny_tokenizer())
    ids = torch.tensor([IDS])
    own = scope.model(ids).logits
    with steering.steer(scope, steering.ScaleHead(1, 2, 0.0)):
        model = torch.compile(scope.model, backend="eager")
        assert (model(ids).logits - own).abs().max() > 0.1
    close(model(ids).logits, own)


def test_blocks_of_two_threads_that_cross():
    stance = torch._dynamo.eval_frame._stance.stance
    inside, leave = threading.Event(), threading.Event()

    def other():
        with uncompiled():
            inside.set()
            leave.wait()

    thread = threading.Thread(target=other)
    with uncompiled():
        thread.start()
        inside.wait()
    assert torch._dynamo.eval_frame._stance.stance == "force_eager"
    leave.set()
    thread.join()
    assert torch._dynamo.eval_frame._stance.stance == stance
