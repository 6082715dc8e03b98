"""Contributions of neurons against NumPy, for every family, and what they are when a neuron is planted."""

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, lens
from scope_widgets.lens import NeuronAttribution
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from tests.support.family_models import family_model
from tests.support.reference_lens import IDS, PROMPTS, array, normed, shaken_model
from tests.support.tiny_models import FAMILIES, tiny_tokenizer


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def family(request):
    return Microscope.for_model(shaken_model(request.param), tiny_tokenizer())


def seen_by(module, run):
    """The input of a module in a run of plain torch, at the last position."""
    found = []
    handle = module.register_forward_pre_hook(lambda _, args: found.append(args[0].detach()))
    try:
        with torch.no_grad():
            run()
    finally:
        handle.remove()
    return array(found[-1].reshape(-1, found[-1].shape[-1])[-1])


def numpy_neurons(scope, layer, answer, versus):
    """Activation times row of the last matrix, through the norms, onto the difference of the unembedding's rows."""
    anatomy = scope.anatomy
    block = anatomy.blocks[layer]
    activation = seen_by(block.down, lambda: scope.model(torch.tensor([IDS])))
    final = array(scope.trace(IDS).residual(scope.n_layers)[-1])
    rows = array(anatomy.unembed.weight)
    weight = array(block.down.weight)
    matrix = weight.T if isinstance(block.down, torch.nn.Linear) else weight
    bias = getattr(block.down, "bias", None)
    whole = activation @ matrix + (0 if bias is None else array(bias))
    writes = activation[:, None] * matrix
    if block.mlp_norm is not None:
        writes = np.array([normed(block.mlp_norm, one, whole) for one in writes])
    through = [normed(anatomy.final_norm, one, final) @ (rows[answer] - rows[versus]) for one in writes]
    return activation, np.array(through)


def test_the_neurons_are_those_of_numpy_and_add_up_to_the_mlp(family):
    trace = family.trace(IDS)
    parts = lens.direct_logit_attribution(trace, answer="w7", versus=44)
    for layer in range(family.n_layers):
        found = lens.neuron_attribution(trace, layer, answer="w7", versus=44)
        activation, expected = numpy_neurons(family, layer, 7, 44)
        np.testing.assert_allclose(found.activation, activation, atol=1e-5)
        np.testing.assert_allclose(found.contribution, expected, atol=1e-5)
        assert found.total == pytest.approx([parts.mlps[layer]], abs=1e-9)
        assert found.per_prompt.sum(1) + found.bias == pytest.approx(found.total, abs=1e-5)
        assert found.residue < 1e-5
        assert (found.answer, found.versus) == (parts.answer, parts.versus)


def test_a_batch_is_its_prompts(family):
    batch = lens.neuron_attribution(family.trace(PROMPTS), -1, answer=[7, 8, 9], position=-2)
    assert batch.layer == family.n_layers - 1
    for i, prompt in enumerate(PROMPTS):
        alone = lens.neuron_attribution(family.trace(prompt), -1, answer=7 + i, position=-2)
        np.testing.assert_allclose(batch.per_prompt[i], alone.contribution, atol=1e-5)
        assert batch.total[i] == pytest.approx(alone.total[0], abs=1e-5)
    np.testing.assert_allclose(batch.contribution, batch.per_prompt.mean(0))


def test_a_planted_neuron_is_found_and_a_silent_one_writes_nothing():
    model = shaken_model("llama")
    scope = Microscope.for_model(model, tiny_tokenizer())
    down, rows = scope.anatomy.blocks[0].down, scope.anatomy.unembed.weight
    with torch.no_grad():
        down.weight[:, 5] = 50 * (rows[7] - rows[8])
        down.weight[:, 6] = 0
    found = lens.neuron_attribution(scope.trace(IDS), 0, answer=7, versus=8)
    assert found.top(1)[["layer", "neuron"]].values.tolist() == [[0, 5]]
    assert found.contribution[6] == 0
    table = found.to_dataframe()
    assert table.contribution.tolist() == found.contribution.tolist()
    again = NeuronAttribution.from_json(found.to_json())
    np.testing.assert_array_equal(again.per_prompt, found.per_prompt)


def test_a_trace_from_a_file_needs_its_model(tmp_path):
    scope = Microscope.for_model(shaken_model("gpt2"), tiny_tokenizer())
    trace = scope.trace(IDS)
    trace.save(tmp_path / "trace")
    read = type(trace).load(tmp_path / "trace")
    with pytest.raises(ValueError, match="give scope="):
        lens.neuron_attribution(read, 0, answer=7)
    found = lens.neuron_attribution(read, 0, answer=7, scope=scope)
    np.testing.assert_allclose(found.contribution, lens.neuron_attribution(trace, 0, answer=7).contribution, atol=1e-6)


def test_errors_are_sentences():
    scope = Microscope.for_model(shaken_model("llama"), tiny_tokenizer())
    trace = scope.trace(IDS)
    with pytest.raises(IndexError, match="Layer 9 is out of range: this model has layers 0 to"):
        lens.neuron_attribution(trace, 9, answer=7)
    other = Microscope.for_model(shaken_model("llama"), tiny_tokenizer())
    with torch.no_grad():
        other.anatomy.blocks[0].down.weight.mul_(2)
    with pytest.raises(ValueError, match="of other weights"):
        lens.neuron_attribution(trace, 0, answer=7, scope=other)
    experts = Microscope.for_model(family_model("mixtral"), tiny_tokenizer())
    with pytest.raises(UnsupportedModelError, match="one of each expert, so there are no 'neurons'"):
        lens.neuron_attribution(experts.trace(IDS), 0, answer=7)


def test_half_precision_sums():
    scope = Microscope.for_model(shaken_model("gpt2").to(torch.bfloat16), tiny_tokenizer())
    found = lens.neuron_attribution(scope.trace(IDS), 1, answer=7, versus=8)
    assert found.residue < 0.05 * np.abs(found.per_prompt).max()


@pytest.fixture(scope="module")
def demo_trace():
    scope = Microscope.load("demo")
    return scope.trace("When Mary and John went to the store, John gave a drink to")


@pytest.mark.parametrize("given", ["text", None, 3, ["a"]])
@pytest.mark.parametrize(
    "function",
    [
        lens.token_loss,
        lens.logit_lens,
        lambda trace: lens.direct_logit_attribution(trace, answer=" Mary"),
        lambda trace: lens.neuron_attribution(trace, 1, answer=" Mary"),
    ],
)
def test_what_is_no_trace_is_said(function, given):
    with pytest.raises(TypeError, match=r"scope\.trace\(prompt\)"):
        function(given)


def test_layers_and_positions_are_whole_numbers(demo_trace):
    for layer in (1.5, "3", None, True):
        with pytest.raises(TypeError, match="layer= is a whole number, 0 to 3"):
            lens.neuron_attribution(demo_trace, layer, answer="Mary")
    for function in (lens.direct_logit_attribution, lambda *given, **more: lens.neuron_attribution(*given, 1, **more)):
        with pytest.raises(TypeError, match="position= is a whole number"):
            function(demo_trace, answer="Mary", position=1.5)
    found = lens.neuron_attribution(demo_trace, np.int64(-1), answer="Mary")
    assert (found.layer, type(found.layer)) == (3, int)


def test_numbers_of_rows_are_whole_numbers_from_1(demo_trace):
    results = (
        lens.token_loss(demo_trace),
        lens.direct_logit_attribution(demo_trace, answer="Mary"),
        lens.neuron_attribution(demo_trace, 1, answer="Mary"),
    )
    for one in results:
        assert len(one.top(2)) == 2
        for n in (0, -1, 1.5, "a"):
            with pytest.raises(ValueError, match="n= is a whole number from 1"):
                one.top(n)
