"""The logit lens against the plain Hugging Face forward and NumPy, for every family."""

import sys

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, Trace, lens
from scope_widgets.experiments.statistics.rounding import noise_floor
from scope_widgets.lens import LogitLens
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.traces.not_captured import NotCapturedError
from tests.support.reference_lens import IDS, PROMPTS, array, numpy_logits, shaken_model
from tests.support.tiny_models import FAMILIES, VOCAB, tiny_model, tiny_tokenizer


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def family(request):
    model = shaken_model(request.param)
    with torch.no_grad():
        plain = model(torch.tensor([IDS])).logits[0]
    scope = Microscope.for_model(model, tiny_tokenizer())
    return scope, plain, scope.trace(IDS)


@pytest.fixture(scope="module")
def llama():
    return Microscope.for_model(shaken_model("llama"), tiny_tokenizer())


def softmax(logits):
    p = np.exp(logits - logits.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def test_the_last_layer_is_the_models_own_prediction(family):
    _, plain, trace = family
    result = lens.logit_lens(trace, n=VOCAB)
    order = np.argsort(result.top_ids[-1], axis=-1)
    chances = np.take_along_axis(result.top_probabilities[-1], order, -1)
    np.testing.assert_allclose(chances, plain.softmax(-1), rtol=1e-4)
    assert result.top_ids[-1, :, 0].tolist() == plain.argmax(-1).tolist()
    assert np.abs(result.kl[-1]).max() < 1e-6
    assert result.watched == [int(plain[-1].argmax())]
    assert result.watched_ranks[0, -1, -1] == 0


def test_every_layer_is_final_norm_and_unembedding(family):
    scope, plain, trace = family
    result = lens.logit_lens(trace, watch=[7, "w44"])
    final = array(plain.softmax(-1))
    assert result.layers == list(range(scope.n_layers + 1))
    for layer in result.layers:
        logits = numpy_logits(scope, array(trace.residual(layer)))
        p = softmax(logits)
        np.testing.assert_allclose(result.top_probabilities[layer], -np.sort(-p, -1)[:, :5], rtol=1e-4)
        np.testing.assert_allclose(
            np.take_along_axis(p, result.top_ids[layer], -1), result.top_probabilities[layer], rtol=1e-4
        )
        np.testing.assert_allclose(result.entropy[layer], -(p * np.log(p)).sum(-1), rtol=1e-4)
        np.testing.assert_allclose(result.kl[layer], (final * np.log(final / p)).sum(-1), rtol=1e-3, atol=1e-6)
        for i, token in enumerate((7, 44)):
            np.testing.assert_allclose(result.watched_probabilities[i, layer], p[:, token], rtol=1e-4)
            # what is above by no more than rounding may count or not
            above, tie = logits - logits[:, [token]], 2 * noise_floor(torch.float32, float(np.abs(logits).max()))
            ranks = result.watched_ranks[i, layer]
            assert ((ranks >= (above > tie).sum(-1)) & (ranks <= (above > 0).sum(-1))).all()


def test_in_pieces_it_is_the_same(llama, monkeypatch):
    trace = llama.trace(IDS)
    whole = lens.logit_lens(trace)
    monkeypatch.setattr(sys.modules["scope_widgets.lens.logit_lens"], "_AT_ONCE", 3 * VOCAB)
    pieces = lens.logit_lens(trace)
    assert np.array_equal(whole.top_ids, pieces.top_ids)
    np.testing.assert_allclose(whole.kl, pieces.kl, atol=1e-6)
    np.testing.assert_allclose(whole.watched_probabilities, pieces.watched_probabilities, rtol=1e-5)


def test_tables_and_json(llama):
    result = lens.logit_lens(llama.trace(IDS), n=2, watch="w5")
    table = result.to_dataframe()
    assert len(table) == 4 * len(IDS)
    row = table[(table.layer == 2) & (table.position == 4)].iloc[0]
    assert (row.token, row.top_id, row.top_token) == ("w9", result.top_ids[2, 4, 0], f"w{result.top_ids[2, 4, 0]}")
    assert row["rank of 'w5'"] == result.watched_ranks[0, 2, 4]
    assert row["probability of 'w5'"] == result.watched_probabilities[0, 2, 4]
    again = LogitLens.from_json(result.to_json())
    assert again.texts == result.texts
    assert again.watched == [5]
    assert np.array_equal(again.top_ids, result.top_ids)
    np.testing.assert_array_equal(again.entropy, result.entropy)
    assert "Logit lens" in result.provenance.note
    assert lens.logit_lens(llama.trace(IDS), watch=[]).watched_ranks.shape == (0, 4, len(IDS))
    assert lens.logit_lens(llama.trace(IDS), watch=torch.tensor([5, 6, 5])).watched == [5, 6]
    assert set(result.texts) == {str(i) for i in {*result.top_ids.ravel().tolist(), 5}}


def test_ever_on_top():
    result = LogitLens(
        tokens=["a", "b"],
        layers=[0, 1, 2, 3],
        top_ids=np.array([[[9], [4]], [[9], [7]], [[9], [4]], [[9], [7]]]),
        top_probabilities=np.array([[[0.5], [0.2]], [[0.5], [0.9]], [[0.5], [0.3]], [[0.5], [0.6]]]),
        entropy=np.zeros((4, 2)),
        kl=np.zeros((4, 2)),
        texts={"4": "four", "7": "seven", "9": "nine"},
        watched=[],
        watched_ranks=np.zeros((0, 4, 2), dtype=int),
        watched_probabilities=np.zeros((0, 4, 2)),
        provenance=None,
    )
    assert result.ever_on_top().to_numpy().tolist() == [[4, "four", 0, 2, 2, 0.3], [7, "seven", 1, 3, 2, 0.9]]
    assert result.ever_on_top(0).to_numpy().tolist() == [[9, "nine", 0, 3, 4, 0.5]]
    with pytest.raises(IndexError, match="the prompt has 2 tokens"):
        result.ever_on_top(2)


def test_lens_errors_are_sentences(llama, tmp_path):
    trace = llama.trace(IDS)
    with pytest.raises(ValueError, match="this trace has 3: choose one with trace"):
        lens.logit_lens(llama.trace(PROMPTS))
    with pytest.raises(ValueError, match="1 to 96; got 97"):
        lens.logit_lens(trace, n=97)
    with pytest.raises(ValueError, match="watch='zebra' is not in the vocabulary"):
        lens.logit_lens(trace, watch="zebra")
    with pytest.raises(NotCapturedError, match="did not capture 'residual'"):
        lens.logit_lens(llama.trace(IDS, capture=("z",)))
    trace.save(tmp_path / "trace")
    loaded = Trace.load(tmp_path / "trace")
    with pytest.raises(ValueError, match="read from a file, without the model's weights: give scope="):
        lens.logit_lens(loaded)
    assert np.array_equal(lens.logit_lens(loaded, scope=llama).top_ids, lens.logit_lens(trace).top_ids)
    with pytest.raises(ValueError, match="a model with 3 layers of 4 heads, and scope= has 4 of 4"):
        lens.logit_lens(loaded, scope=Microscope.for_model(tiny_model("gpt_neo"), tiny_tokenizer()))
    with pytest.raises(UnsupportedModelError, match="give scope= the model that made it"):
        lens.logit_lens(loaded, scope=Microscope.for_model(tiny_model("llama", seed=1), tiny_tokenizer()))


def test_the_demo_model_settles_on_its_answer():
    scope = Microscope.load("demo")
    result = lens.logit_lens(scope.trace("When Mary and John went to the store, John gave a drink to"))
    assert result.texts[str(result.watched[0])] == "Mary"
    assert result.ever_on_top().text.iloc[-1] == "Mary"
