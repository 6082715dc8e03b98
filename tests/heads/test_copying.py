"""Copying and composition scores on planted heads and against NumPy with the families' own matrices."""

import numpy as np
import pytest
import torch

from scope_widgets import Microscope, heads
from scope_widgets.heads import HeadScores
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from tests.support.tiny_models import FAMILIES, VOCAB, tiny_model, tiny_tokenizer

SWITCHING = sorted(set(FAMILIES) - {"gpt_neo"})
WORDS = list(range(3, VOCAB))


def shaken_model(family):
    """A tiny model whose gains and biases are random: no 1 and no 0 hides an error."""
    model = tiny_model(family)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.4)
    return model


@pytest.fixture(scope="module", params=SWITCHING)
def scope(request):
    return Microscope.for_model(shaken_model(request.param), tiny_tokenizer())


# --- the families' matrices, in NumPy -------------------------------------------------------------------------------


def array(tensor):
    return tensor.detach().double().numpy()


def gain_of(norm):
    return array(norm.weight) + ("Gemma" in type(norm).__name__)


def norm(module, x):
    if module is None:
        return x
    if isinstance(module, torch.nn.LayerNorm):
        x = x - x.mean(-1, keepdims=True)
    eps = getattr(module, "variance_epsilon", getattr(module, "eps", None))
    bias = getattr(module, "bias", None)
    scaled = gain_of(module) * x / np.sqrt((x**2).mean(-1, keepdims=True) + eps)
    return scaled if bias is None else scaled + array(bias)


def input_norm(block):
    names = ("ln_1", "input_layernorm", "self_attn_layer_norm")
    return next((getattr(block, name) for name in names if hasattr(block, name)), None)


def projections(scope, layer):
    """q, k and v as (matrix [d_model, head, d_head], bias [head, d_head]), without norms."""
    attention, d_head = scope.anatomy.blocks[layer].attention, scope.anatomy.d_head
    n_heads, n_kv = scope.n_heads, scope.anatomy.n_kv_heads
    if hasattr(attention, "c_attn"):
        matrix, bias = array(attention.c_attn.weight), array(attention.c_attn.bias)
        found = zip(np.split(matrix, 3, 1), np.split(bias, 3), strict=True)
    elif hasattr(attention, "query_key_value"):
        matrix = array(attention.query_key_value.weight).T.reshape(-1, n_heads, 3, d_head)
        bias = array(attention.query_key_value.bias).reshape(n_heads, 3, d_head)
        found = [(matrix[:, :, i], bias[:, i]) for i in range(3)]
    elif hasattr(attention, "qkv_proj"):
        ends = [n_heads * d_head, (n_heads + n_kv) * d_head]
        found = [(part, np.zeros(part.shape[1])) for part in np.split(array(attention.qkv_proj.weight).T, ends, 1)]
    else:
        modules = (attention.q_proj, attention.k_proj, attention.v_proj)
        found = [(array(m.weight).T, 0 if m.bias is None else array(m.bias)) for m in modules]
    shaped = []
    for matrix, bias in found:
        matrix = matrix.reshape(scope.d_model, -1, d_head)
        bias = np.broadcast_to(bias, matrix[0].size) if np.ndim(bias) == 0 else bias
        repeats = n_heads // matrix.shape[1]
        bias = bias.reshape(matrix.shape[1:])
        shaped.append((matrix.repeat(repeats, 1), bias.repeat(repeats, 0)))
    return shaped


def output_matrix(scope, layer):
    out = scope.anatomy.blocks[layer].out
    weight = array(out.weight)
    weight = weight.T if isinstance(out, torch.nn.Linear) else weight
    return weight.reshape(scope.n_heads, scope.anatomy.d_head, scope.d_model)


def after(scope, layer):
    block = scope.anatomy.blocks[layer]
    return None if block.attention_out is block.attention else block.attention_out


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


def numpy_composition(scope, kind):
    """Written out with whole [d_model, d_model] matrices."""
    qk, ov = [], []
    for layer, block in enumerate(scope.anatomy.blocks):
        (q, _), (k, _), (v, _) = projections(scope, layer)
        before = input_norm(block.block)
        if before is not None:
            centred = np.eye(scope.d_model) - isinstance(before, torch.nn.LayerNorm) / scope.d_model
            q, k, v = (np.einsum("cd,d,dhk->chk", centred, gain_of(before), w) for w in (q, k, v))
        if hasattr(block.attention, "q_norm"):
            q, k = (
                w * gain_of(norm).reshape(-1, w.shape[2]).repeat(w.shape[1] // (norm.weight.numel() // w.shape[2]), 0)
                for w, norm in ((q, block.attention.q_norm), (k, block.attention.k_norm))
            )
        o = output_matrix(scope, layer)
        o = o if after(scope, layer) is None else o * gain_of(after(scope, layer))
        qk.append(np.einsum("dhk,ehk->hde", q, k))
        ov.append(np.einsum("dhk,hke->hde", v, o))
    scores = np.full((scope.n_layers, scope.n_heads) * 2, np.nan)
    for later in range(scope.n_layers):
        for earlier in range(later):
            for head in range(scope.n_heads):
                for other in range(scope.n_heads):
                    # residuals are rows: x W_OV is what a head writes, x W_QK y its score for query x and key y
                    reads = {"k": qk[later][head].T, "q": qk[later][head], "v": ov[later][head]}[kind]
                    writes = ov[earlier][other]
                    scores[later, head, earlier, other] = np.linalg.norm(writes @ reads) / (
                        np.linalg.norm(writes) * np.linalg.norm(reads)
                    )
    return scores


# --- copying --------------------------------------------------------------------------------------------------------


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
    neo = Microscope.for_model(tiny_model("gpt_neo"), tiny_tokenizer())
    with pytest.raises(UnsupportedModelError, match="computes attention by itself"):
        heads.copying(neo, ["w7"])


# --- composition ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["k", "q", "v"])
def test_composition_is_that_of_numpy(scope, kind):
    np.testing.assert_allclose(heads.composition(scope, kind), numpy_composition(scope, kind), rtol=1e-3)


def test_planted_composition():
    """Head 2.3 matches keys by what head 0.1 writes, and by nothing else."""
    model = tiny_model("gpt2")
    with torch.no_grad():
        written = model.transformer.h[0].attn.c_proj.weight[8:16]
        model.transformer.h[2].attn.c_attn.weight[:, 32:64][:, 24:32] = written.T
    scores = heads.composition(Microscope.for_model(model, tiny_tokenizer()), "k")
    assert np.unravel_index(np.nanargmax(scores), scores.shape) == (2, 3, 0, 1)
    assert np.isnan(scores[1, :, 1:]).all()
    assert np.isfinite(scores[2, :, :2]).all()


def test_composition_errors_are_sentences():
    with pytest.raises(ValueError, match="'k', 'q' or 'v', the later head's input; got 'z'"):
        heads.composition(planted(), "z")
    config_class, model_class, options = FAMILIES["qwen3"]
    model = model_class(config_class(**options, attention_bias=True)).eval()
    torch.nn.init.normal_(model.model.layers[1].self_attn.q_proj.bias)
    scope = Microscope.for_model(model, tiny_tokenizer())
    with pytest.raises(UnsupportedModelError, match="is no linear map of what enters the block"):
        heads.composition(scope)
    assert heads.composition(scope, "v").shape == (3, 4, 3, 4)
