"""Numbers of tokens are what hooks, patterns and the residual stream say."""

import sys

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, lens
from scope_widgets.traces.not_captured import NotCapturedError
from tests.support.fake_transport import fake_remote
from tests.support.tiny_models import tiny_model, tiny_tokenizer

PROMPT = "When Mary and John went to the store"


@pytest.fixture(scope="module", params=["demo", "llama"])
def scope(request):
    if request.param == "demo":
        return Microscope.load("demo")
    return Microscope.for_model(tiny_model("llama"), tokenizer=tiny_tokenizer())


def neurons_of(scope, trace, layer):
    """What the last matrix of an MLP gets, by a hook of torch."""
    found = []
    down = scope.anatomy.blocks[layer].down
    handle = down.register_forward_pre_hook(lambda _, args: found.append(args[0].detach().clone()))
    with torch.no_grad():
        scope.model(trace.token_ids[None])
    handle.remove()
    return found[0][0].double().numpy()


def test_each_number_is_that_of_an_independent_reading(scope):
    trace = scope.trace(PROMPT)
    last, n = trace.n_layers, len(trace.tokens)
    found = trace.show("norm", "loss", layer=[0, last], neuron=[(1, 3), (-1, 2)], head=(1, 0), position=-2, to=0)
    assert found.tokens == trace.tokens
    assert found.names == [
        "residual norm, layer 0",
        "residual norm, before the final norm",
        "loss",
        "neuron 1.3",
        f"neuron {last - 1}.2",
        f"attention of 1.0 from position {n - 2}",
        "attention of 1.0 to position 0",
    ]
    assert found.units == ["", "", "nats", "", "", "", ""]
    stream = trace.residual(last).double().numpy()
    np.testing.assert_allclose(found["residual norm, before the final norm"], np.sqrt((stream**2).sum(-1)), rtol=1e-5)
    log_p = trace.logits.double().log_softmax(-1)
    loss = [-float(log_p[at - 1, trace.token_ids[at]]) for at in range(1, n)]
    np.testing.assert_allclose(found["loss"][1:], loss, rtol=1e-5, atol=1e-6)
    pattern = trace.attention(1)[0].double().numpy()
    np.testing.assert_array_equal(found[f"attention of 1.0 from position {n - 2}"], pattern[n - 2])
    np.testing.assert_array_equal(found["attention of 1.0 to position 0"], pattern[:, 0])
    np.testing.assert_allclose(found["neuron 1.3"], neurons_of(scope, trace, 1)[:, 3], atol=1e-5)
    np.testing.assert_allclose(found[f"neuron {last - 1}.2"], neurons_of(scope, trace, last - 1)[:, 2], atol=1e-5)


def test_defaults():
    trace = Microscope.load("demo").trace(PROMPT)
    assert trace.show().names == ["loss"]
    assert trace.show("norm").names[-1] == "residual norm, before the final norm"
    assert len(trace.show("norm").names) == trace.n_layers + 1
    assert trace.show(head=[(3, 1), [3, 2]]).names[1] == "attention of 3.2 from position 8"
    assert trace.show(head=(3, 1), to=2).names == ["attention of 3.1 to position 2"]
    assert trace.show("norm", layer=(one for one in (1, 2))).values.shape == (2, 9)
    table = trace.show("loss", neuron=(3, 10)).to_dataframe()
    assert list(table) == ["position", "token", "loss", "neuron 3.10"]
    top = trace.show().top(2)
    assert top["loss"].tolist() == sorted(table["loss"].dropna(), reverse=True)[:2]


def test_what_is_not_there_is_said():
    scope = Microscope.load("demo")
    trace = scope.trace(PROMPT)
    with pytest.raises(ValueError, match="one prompt and this trace has 2"):
        scope.trace(["the dog", "the cat runs"]).show()
    with pytest.raises(ValueError, match="quantities= is one of loss, probability, entropy, norm; got 'colour'"):
        trace.show("colour")
    with pytest.raises(ValueError, match='layer= is that of "norm"'):
        trace.show(layer=2, neuron=(1, 2))
    with pytest.raises(ValueError, match="give head="):
        trace.show(position=2)
    with pytest.raises(TypeError, match=r"neuron= is \(layer, neuron\)"):
        trace.show(neuron=3)
    with pytest.raises(TypeError, match="A layer is a whole number"):
        trace.show("norm", layer="x")
    with pytest.raises(TypeError, match="position= is a position"):
        trace.show(head=(1, 1), position=1.5)
    for wrong, sentence in (
        ({"head": (3, 9)}, "There is no head 3.9"),
        ({"head": (9, 0)}, "Layer 9 is out of range"),
        ({"head": (3, 1), "position": 99}, "There is no position 99: this prompt has 9 tokens"),
        ({"neuron": (9, 0)}, "Layer 9 is out of range"),
        ({"neuron": (1, 10**6)}, "Layer 1 has neurons 0 to 255"),
    ):
        with pytest.raises(IndexError, match=sentence):
            trace.show(**wrong)
    with pytest.raises(NotCapturedError, match="did not capture"):
        scope.trace(PROMPT, capture=("z",)).show("norm")
    with pytest.raises(KeyError, match="There is no column 'x'"):
        trace.show()["x"]


def test_on_a_server():
    scope = Microscope.load("demo")
    near, far = scope.trace(PROMPT), fake_remote(scope).trace(PROMPT)
    asked = {"neuron": (3, 10), "head": (2, 1)}
    np.testing.assert_allclose(far.show(**asked).values, near.show(**asked).values, atol=1e-6)


def test_a_trace_from_a_file_names_the_model_that_it_needs(tmp_path):
    scope = Microscope.load("demo")
    scope.trace(PROMPT).save(tmp_path / "trace")
    trace = type(scope.trace(PROMPT)).load(tmp_path / "trace")
    assert trace.show("norm", layer=1).values.shape == (1, 9)
    with pytest.raises(ValueError, match="give scope="):
        trace.show(neuron=(3, 10))
    assert lens.token_values(trace, neuron=(3, 10), scope=scope).values.shape == (1, 9)


def test_no_widget_is_imported_before_one_is_shown(monkeypatch):
    widgets = [one for one in sys.modules if one.startswith("scope_widgets.widgets")]
    for name in widgets:
        monkeypatch.delitem(sys.modules, name)
    Microscope.load("demo").trace("the dog").show("loss", neuron=(1, 2), head=(1, 1))
    assert not [one for one in sys.modules if one.startswith("scope_widgets.widgets")]
