"""Copying and composition scores on planted heads and against NumPy with the families' own matrices."""

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, heads
from scope_widgets.heads import HeadScores
from tests.support.reference_head_matrices import (
    SWITCHING,
    after,
    array,
    gain_of,
    input_norm,
    norm,
    output_matrix,
    projections,
    shaken_model,
)
from tests.support.tiny_models import VOCAB, tiny_model, tiny_tokenizer

WORDS = list(range(3, VOCAB))


@pytest.fixture(scope="module", params=SWITCHING)
def scope(request):
    return Microscope.for_model(shaken_model(request.param), tiny_tokenizer())


def numpy_copying(scope, tokens, top):
    with torch.no_grad():
        rows = torch.tensor([[1, token] for token in tokens])
        stream = array(scope.model(rows, output_hidden_states=True).hidden_states[1][:, 1])
    unembed = scope.anatomy.unembed
    scores = np.zeros((2, scope.n_layers, scope.n_heads))
    for layer, block in enumerate(scope.anatomy.blocks):
        matrix, bias = projections(scope, layer)[2]
        v = np.einsum("nd,dhk->nhk", norm(input_norm(block.block), stream), matrix) + bias
        writes = np.einsum("nhk,hkd->nhd", v, output_matrix(scope, layer))
        if after(scope, layer) is not None:
            writes = writes * gain_of(after(scope, layer))  # its scale is one for all, and the final norm takes it off
        for i, sign in enumerate((1, -1)):
            logits = norm(scope.anatomy.final_norm, sign * writes) @ array(unembed.weight).T
            logits = logits + (0 if unembed.bias is None else array(unembed.bias))
            own = logits[np.arange(len(tokens)), :, tokens]
            scores[i, layer] = ((logits > own[..., None]).sum(-1) < top).mean(0)
    return scores


def planted():
    """A GPT-2 whose head 1.2 copies and whose head 2.0 does the opposite; every other head writes nothing."""
    model = tiny_model("gpt2")
    generator = torch.Generator().manual_seed(0)
    words = torch.randn(VOCAB, 8, generator=generator)
    basis = torch.linalg.qr(torch.cat([torch.ones(32, 1), torch.randn(32, 8, generator=generator)], 1))[0][:, 1:]
    with torch.no_grad():
        model.transformer.wpe.weight.zero_()
        # of one length and mean 0, so that a LayerNorm only scales them and each is most like itself
        model.transformer.wte.weight.copy_(words / words.norm(dim=-1, keepdim=True) @ basis.T)
        for block in model.transformer.h:
            block.mlp.c_proj.weight.zero_()
            block.attn.c_proj.weight.zero_()
        for layer, head, sign in ((1, 2, 1), (2, 0, -1)):
            attention, at = model.transformer.h[layer].attn, slice(8 * head, 8 * head + 8)
            attention.c_attn.weight[:, 64:][:, at] = basis
            attention.c_proj.weight[at] = sign * basis.T
    return Microscope.for_model(model, tiny_tokenizer())


def test_planted_heads():
    scores = heads.copying(planted(), WORDS, top=1)
    expected = np.zeros((2, 3, 4))
    expected[0, 1, 2] = expected[1, 2, 0] = 1
    assert np.array_equal(scores["copying"], expected[0])
    assert np.array_equal(scores["negative_copying"], expected[1])
    assert scores.top("copying", 1) == [(1, 2, 1.0)]


def test_copying_is_that_of_numpy(scope):
    for top in (5, 20):
        scores = heads.copying(scope, WORDS, top=top)
        expected = numpy_copying(scope, np.array(WORDS), top)
        # a token on the edge of the top may fall on either side of it in float32
        np.testing.assert_allclose(scores["copying"], expected[0], atol=1.5 / len(WORDS))
        np.testing.assert_allclose(scores["negative_copying"], expected[1], atol=1.5 / len(WORDS))
        assert (scores["copying"] == expected[0]).mean() > 0.8
        assert expected.max() > 0


def test_the_demo_models_name_movers_copy():
    scores = heads.copying(Microscope.load("demo"), ["Mary", "John", "Anna", "Ben", "Carl"])
    assert scores.top("copying", 1)[0][2] == 1
    assert scores.n_prompts == 5
    assert set(scores.provenance.prompts) == {"Mary", "John", "Anna", "Ben", "Carl"}
    assert "5 tokens, each run alone after '<bos>'" in scores.provenance.note
    again = HeadScores.from_json(scores.to_json())
    np.testing.assert_array_equal(again["negative_copying"], scores["negative_copying"])
    assert list(scores.to_dataframe().columns) == ["layer", "head", "copying", "negative_copying"]


def test_without_a_first_token_and_with_equal_ones():
    tokenizer = tiny_tokenizer()
    tokenizer.bos_token = None
    scores = heads.copying(Microscope.for_model(planted().model, tokenizer), ["w7", 7, "w8"])
    assert scores.n_prompts == 2
    assert scores["copying"][1, 2] == 1
    assert "alone, that" in scores.provenance.note


def test_copying_errors_are_sentences():
    scope = planted()
    with pytest.raises(ValueError, match=r"a list of at least one token, such as .*; got 'w7'"):
        heads.copying(scope, "w7")
    with pytest.raises(ValueError, match="got \\[\\]"):
        heads.copying(scope, [])
    with pytest.raises(ValueError, match="tokens= must be one token, and 'w7 w8' is 2"):
        heads.copying(scope, ["w7 w8"])
    with pytest.raises(ValueError, match="top= is a number of tokens, 1 to 95; got 0"):
        heads.copying(scope, ["w7"], top=0)
