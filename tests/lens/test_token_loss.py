"""Loss, rank and entropy of each token against NumPy and against torch's own cross-entropy."""

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, lens
from scope_widgets.lens import TokenLoss
from tests.support.reference_lens import IDS, PROMPTS, array, shaken_model
from tests.support.tiny_models import FAMILIES, tiny_tokenizer


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def family(request):
    model = shaken_model(request.param)
    with torch.no_grad():
        logits = model(torch.tensor([IDS])).logits[0]
    return Microscope.for_model(model, tiny_tokenizer()), logits


def test_each_token_is_that_of_numpy(family):
    scope, logits = family
    found = lens.token_loss(scope.trace(IDS))
    logits = array(logits)
    for at in range(1, len(IDS)):
        p = np.exp(logits[at - 1]) / np.exp(logits[at - 1]).sum()
        assert found.loss[at] == pytest.approx(-np.log(p[IDS[at]]), abs=1e-5)
        assert found.probability[at] == pytest.approx(p[IDS[at]], abs=1e-6)
        assert found.rank[at] == (p > p[IDS[at]]).sum()
        assert found.entropy[at] == pytest.approx(-(p * np.log(p)).sum(), abs=1e-5)
        assert found.expected[at] == f"w{p.argmax()}"
        assert found.expected_probability[at] == pytest.approx(p.max(), abs=1e-6)
    expected = torch.nn.functional.cross_entropy(torch.tensor(logits[:-1]), torch.tensor(IDS[1:]))
    assert found.mean == pytest.approx(float(expected), abs=1e-5)
    assert found.perplexity == pytest.approx(float(expected.exp()), rel=1e-5)


def test_nothing_precedes_the_first_token():
    scope = Microscope.for_model(shaken_model("gpt2"), tiny_tokenizer())
    found = lens.token_loss(scope.trace(IDS))
    first = (found.loss[0], found.probability[0], found.entropy[0], found.expected_probability[0])
    assert np.isnan(first).all()
    assert (found.rank[0], found.expected[0]) == (-1, "")
    alone = lens.token_loss(scope.trace(IDS[:1]))
    assert np.isnan(alone.mean)
    assert alone.top().empty


def test_a_uniform_model_is_ln_of_the_vocabulary_and_a_sure_one_is_not_surprised():
    model = shaken_model("llama")
    scope = Microscope.for_model(model, tiny_tokenizer())
    trace = scope.trace(IDS)
    with torch.no_grad():
        trace.kept_logits.zero_()
    n = trace.logits.shape[-1]
    found = lens.token_loss(trace)
    np.testing.assert_allclose(found.loss[1:], np.log(n), atol=1e-5)
    np.testing.assert_allclose(found.entropy[1:], np.log(n), atol=1e-5)
    assert (found.rank[1:] == 0).all()  # ties are not likelier
    with torch.no_grad():
        for at, token in enumerate(IDS[1:]):
            trace.kept_logits[at, token] = 60
    sure = lens.token_loss(trace)
    np.testing.assert_allclose(sure.loss[1:], 0, atol=1e-6)
    np.testing.assert_allclose(sure.entropy[1:], 0, atol=1e-6)


def test_table_json_and_the_largest():
    scope = Microscope.for_model(shaken_model("llama"), tiny_tokenizer())
    found = lens.token_loss(scope.trace(IDS))
    table = found.to_dataframe()
    assert table.token.tolist() == found.tokens
    assert found.top(3).loss.tolist() == sorted(found.loss[1:], reverse=True)[:3]
    again = TokenLoss.from_json(found.to_json())
    np.testing.assert_array_equal(again.loss, found.loss)
    assert again.expected == found.expected


def test_a_trace_from_a_file_names_tokens_by_their_id(tmp_path):
    scope = Microscope.for_model(shaken_model("llama"), tiny_tokenizer())
    trace = scope.trace(IDS)
    trace.save(tmp_path / "trace")
    read = type(trace).load(tmp_path / "trace")
    named = lens.token_loss(trace)
    assert [one.replace("#", "w") for one in lens.token_loss(read).expected] == named.expected
    assert lens.token_loss(read, scope=scope).expected == named.expected


def test_errors_are_sentences():
    scope = Microscope.for_model(shaken_model("llama"), tiny_tokenizer())
    with pytest.raises(ValueError, match=r"one prompt and this trace has 3: choose one with trace\[i\]"):
        lens.token_loss(scope.trace(PROMPTS))
    with pytest.raises(ValueError, match="Trace again with logits='all'"):
        lens.token_loss(scope.trace(IDS, logits="last"))
    trace = scope.trace(IDS)
    with torch.no_grad():
        trace.kept_logits[2, 3] = torch.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        lens.token_loss(trace)
