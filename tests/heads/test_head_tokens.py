"""What heads write and read by token, against NumPy written out with the families' own matrices."""

import numpy as np
import pytest
import torch
import transformers as hf

from scope_widgets import Microscope, heads, lens, steering
from scope_widgets.experiments.qk_ov_circuits import single_tokens
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from tests.support.family_models import family_model
from tests.support.reference_head_matrices import (
    array,
    gain_of,
    input_norm,
    norm,
    output_matrix,
    projections,
    shaken_model,
)
from tests.support.tiny_models import VOCAB, tiny_model, tiny_tokenizer

#: absolute positions; scaled queries; rotary, grouped queries; norms on queries, keys, after attention; fused; ALiBi
KINDS = ["gpt2", "opt", "llama", "gemma3", "gpt_neox", "bloom"]
PROMPT = "w5 w17 w40 w5 w9 w60"
HEADS = [(0, 1), (2, 3)]


def bloom():
    config = hf.BloomConfig(vocab_size=VOCAB, hidden_size=32, n_layer=3, n_head=4, bos_token_id=1, eos_token_id=2)
    torch.manual_seed(0)
    model = hf.BloomForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * (0.4 if parameter.ndim == 1 else 0.1))
    return model


@pytest.fixture(scope="module", params=KINDS)
def scope(request):
    model = bloom() if request.param == "bloom" else shaken_model(request.param)
    return Microscope.for_model(model, tiny_tokenizer())


def after(scope, layer):
    return getattr(scope.anatomy.blocks[layer].block, "post_attention_layernorm", None) if gemma(scope) else None


def gemma(scope):
    return "Gemma" in type(scope.model).__name__


def final(scope, stream):
    """What the final norm's scale at `stream` makes of parts, as (function, unembedding)."""
    last = scope.anatomy.final_norm
    centred = isinstance(last, torch.nn.LayerNorm)
    eps = getattr(last, "variance_epsilon", getattr(last, "eps", None))
    whole = stream - stream.mean(-1, keepdims=True) * centred
    size = np.sqrt((whole**2).mean(-1, keepdims=True) + eps)
    return lambda part: gain_of(last) * (part - part.mean(-1, keepdims=True) * centred) / size


def unembedding(scope):
    return array(scope.anatomy.unembed.weight)


def after_attention(scope, layer, z):
    """A function of parts of attention `[position, d]` to what is added, the norm as it was for all of z."""
    post = after(scope, layer)
    if post is None:
        return lambda part: part
    whole = np.einsum("phk,hkd->pd", z, output_matrix(scope, layer))
    size = np.sqrt((whole**2).mean(-1, keepdims=True) + post.eps)
    return lambda part: part * gain_of(post) / size


def streams(scope, stream):
    """Streams of all tokens `[token, d]` by the model's own modules."""
    model = scope.model
    with torch.no_grad():
        if stream == "embedding":
            found = scope.anatomy.embed(torch.arange(VOCAB))
            if isinstance(model, hf.BloomForCausalLM):
                found = model.transformer.word_embeddings_layernorm(found)
            return array(found)
        rows = torch.tensor([[1, token] for token in range(VOCAB)])
        return array(model(rows, output_hidden_states=True).hidden_states[1][:, 1])


def read(scope, layer, site, rows):
    """Queries, keys or values `[token, head, d_head]` of streams, of position 0."""
    matrix, bias = projections(scope, layer)["qkv".index(site)]
    value = np.einsum("nd,dhk->nhk", norm(input_norm(scope.anatomy.blocks[layer].block), rows), matrix) + bias
    own = getattr(scope.anatomy.blocks[layer].attention, f"{site}_norm", None)
    return value if own is None else norm(own, value)


@pytest.mark.parametrize("layer", [0, 2])
def test_value_weighted_attention_is_the_size_of_what_is_written_of_each_key(scope, layer):
    trace = scope.trace(PROMPT)
    pattern, v, z = (array(value) for value in (trace.attention(layer), trace.v(layer), trace.z(layer)))
    v = v.repeat(scope.n_heads // v.shape[1], 1)
    added = after_attention(scope, layer, z)
    found = heads.value_weighted_attention(trace, layer)
    total = 0
    for head in range(scope.n_heads):
        for key in range(len(trace.tokens)):
            written = pattern[head, :, key, None] * (v[key, head] @ output_matrix(scope, layer)[head])
            total = total + added(written)
            np.testing.assert_allclose(
                found[head, :, key], np.linalg.norm(added(written), axis=-1), rtol=1e-3, atol=1e-6
            )
        np.testing.assert_array_equal(heads.value_weighted_attention(trace, layer, head).values[0], found[head])
    out = scope.anatomy.blocks[layer].out
    if after(scope, layer) is None:  # together they are what attention adds
        total = total + (0 if out.bias is None else array(out.bias))
        np.testing.assert_allclose(total, array(trace.attention_out(layer)), atol=1e-4)


def test_attention_to_a_token_without_a_value_is_no_weight():
    model = tiny_model("gpt2")
    with torch.no_grad():
        model.transformer.h[1].attn.c_attn.weight[:, 64:] = 0
        model.transformer.h[1].attn.c_attn.bias[64:] = 0
    trace = Microscope.for_model(model, tiny_tokenizer()).trace(PROMPT)
    assert trace.attention(1).sum() > 20
    assert not heads.value_weighted_attention(trace, 1).values.any()


@pytest.mark.parametrize("position", [-1, 2])
@pytest.mark.parametrize(("layer", "head"), HEADS)
def test_writes_are_logits_of_what_a_head_adds(scope, layer, head, position):
    trace = scope.trace(PROMPT)
    at = range(len(trace.tokens))[position]
    z = array(trace.z(layer))
    written = after_attention(scope, layer, z)(z[:, head] @ output_matrix(scope, layer)[head])[at]
    logits = unembedding(scope) @ final(scope, array(trace.residual(trace.n_layers))[at])(written)
    found = heads.writes(trace, layer, head, position=position, n=VOCAB)
    check(found, (logits - logits.mean())[None])
    assert (found.of, found.position) == ([trace.tokens[at]], at)
    np.testing.assert_allclose(found.mean[0], logits.mean(), rtol=1e-3, atol=1e-5)
    parts = lens.direct_logit_attribution(trace, answer=7, versus=50, position=position)
    by_id = dict(zip(found.up_ids[0].tolist(), found.up[0], strict=True))
    np.testing.assert_allclose(by_id[7] - by_id[50], parts.heads[layer, head], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("stream", ["embedding", "first_block"])
@pytest.mark.parametrize(("layer", "head"), HEADS)
def test_weights_by_token_are_those_of_whole_matrices(scope, layer, head, stream):
    """Here the matrices [vocabulary, vocabulary] are made."""
    rows = streams(scope, stream)
    written = read(scope, layer, "v", rows)[:, head] @ output_matrix(scope, layer)[head]
    if after(scope, layer) is not None:
        written = written * gain_of(after(scope, layer))
    last = scope.anatomy.final_norm
    normed = norm(last, written) - (array(last.bias) if getattr(last, "bias", None) is not None else 0)
    ov = normed @ unembedding(scope).T
    ov = ov - ov.mean(1, keepdims=True)
    tokens = ["w5", 61]
    check(heads.ov_tokens(scope, layer, head, tokens, stream=stream, n=VOCAB), ov[[5, 61]])
    check(heads.copied_tokens(scope, layer, head, stream=stream, n=VOCAB), np.diag(ov)[None])
    q, k = (read(scope, layer, site, rows)[:, head] for site in ("q", "k"))
    scaling = getattr(scope.anatomy.blocks[layer].attention, "scaling", scope.anatomy.d_head**-0.5)
    check(heads.qk_tokens(scope, layer, head, tokens, stream=stream, n=VOCAB), scaling * (q @ k.T)[[5, 61]])


def check(found, expected):
    """Whether the numbers of all tokens are these, from the largest down and from the smallest up."""
    size = np.abs(expected).max()
    for ids, values, sign in ((found.up_ids, found.up, 1), (found.down_ids, found.down, -1)):
        np.testing.assert_allclose(values, np.take_along_axis(expected, ids, 1), atol=2e-4 * size)
        assert (np.diff(sign * values) <= 1e-5 * size).all()


def test_the_default_stream_is_what_the_layer_can_read(scope):
    for layer, stream in ((0, "embedding"), (2, "first_block")):
        for function in (heads.ov_tokens, heads.qk_tokens):
            one, other = function(scope, layer, 1, "w9"), function(scope, layer, 1, "w9", stream=stream)
            np.testing.assert_array_equal(one.up, other.up)
            assert one.provenance.note == other.provenance.note
            assert ("bare embeddings" in one.provenance.note) == (layer == 0)


def test_the_scores_of_a_trace_are_those_of_the_weights():
    """A prompt of one token is a query and a key at the same position, in layer 0 of a model without positions."""
    scope = Microscope.for_model(shaken_model("llama"), tiny_tokenizer())
    trace = scope.trace([[9]], capture=("q", "k"))[0]
    q, k = trace.queries_and_keys(0, 3)
    expected = float((q[0, 0] @ k[0, 0]) * trace.scoring[0].scaling)
    found = heads.qk_tokens(scope, 0, 3, 9, n=VOCAB)
    by_id = dict(zip(found.up_ids[0].tolist(), found.up[0], strict=True))
    assert by_id[9] == pytest.approx(expected, rel=1e-4)


def test_a_planted_head_copies_and_matches():
    model = tiny_model("gpt2")
    with torch.no_grad():
        model.transformer.wpe.weight.zero_()
        basis = torch.linalg.qr(torch.cat([torch.ones(32, 1), torch.randn(32, 8)], 1))[0][:, 1:]
        words = torch.nn.functional.normalize(torch.randn(VOCAB, 8), dim=-1) @ basis.T
        model.transformer.wte.weight.copy_(words)
        attention = model.transformer.h[0].attn
        attention.c_attn.bias.zero_()
        for part in (0, 32, 64):
            attention.c_attn.weight[:, part : part + 8] = basis
        attention.c_proj.weight[:8] = basis.T
    scope = Microscope.for_model(model, tiny_tokenizer())
    for function in (heads.ov_tokens, heads.qk_tokens):
        assert function(scope, 0, 0, list(range(3, 20)), n=1).up_ids[:, 0].tolist() == list(range(3, 20))
    assert (heads.copied_tokens(scope, 0, 0, n=VOCAB).up > 0).all()
    with torch.no_grad():
        attention.c_proj.weight[:8] *= -1
    assert (heads.copied_tokens(scope, 0, 0, n=VOCAB).up < 0).all()


def test_streams_are_kept_until_the_weights_change(monkeypatch):
    scope = Microscope.for_model(tiny_model("llama"), tiny_tokenizer())
    runs = []
    original = single_tokens.read_activations
    monkeypatch.setattr(single_tokens, "read_activations", lambda *args: runs.append(1) or original(*args))
    first = heads.copied_tokens(scope, 1, 0)
    once = len(runs)
    heads.copied_tokens(scope, 2, 0)
    assert len(runs) == once + 1  # the few that are tried
    with torch.no_grad():
        scope.model.model.layers[0].mlp.down_proj.weight.mul_(3.0)
    monkeypatch.setattr(single_tokens, "_AT_ONCE", 32 * 40)
    job = scope.submit(heads.qk_tokens, scope, 1, 0, 5)
    next(job)
    job.cancel()
    once = len(runs)
    assert not np.array_equal(heads.copied_tokens(scope, 1, 0).up, first.up)
    assert len(runs) == once + 3  # the few that are tried, and two pieces of three: the first is there


def test_a_job_says_how_far_it_is(monkeypatch):
    monkeypatch.setattr(single_tokens, "_AT_ONCE", 32 * 40)
    scope = Microscope.for_model(tiny_model("llama"), tiny_tokenizer())
    job = scope.submit(heads.qk_tokens, scope, 1, 0, 5)
    assert [(one.done, one.total) for one in job if one.total] == [(40, VOCAB), (80, VOCAB), (96, VOCAB)]
    np.testing.assert_allclose(job.result().up, heads.qk_tokens(scope, 1, 0, 5).up)


def test_errors_are_sentences():
    scope = Microscope.for_model(tiny_model("llama"), tiny_tokenizer())
    trace = scope.trace(PROMPT)
    with pytest.raises(IndexError, match="Head 4 is out of range: a layer has heads 0 to 3"):
        heads.writes(trace, 0, 4)
    with pytest.raises(IndexError, match="Layer 3 is out of range"):
        heads.ov_tokens(scope, 3, 0, 5)
    with pytest.raises(IndexError, match="Position 9 is out of range: the prompt has"):
        heads.writes(trace, 0, 0, position=9)
    with pytest.raises(ValueError, match=r"n= is how many tokens are named, 1 to 96; got 97"):
        heads.qk_tokens(scope, 0, 0, 5, n=97)
    with pytest.raises(ValueError, match=r"stream= is one of embedding, first_block; got 'x'"):
        heads.ov_tokens(scope, 0, 0, 5, stream="x")
    for token in (1.5, None, b"w5", {"w5": 1}):
        with pytest.raises(TypeError, match="token= is a text of one token, a token id"):
            heads.qk_tokens(scope, 0, 0, token)
    with pytest.raises(TypeError, match="scope= is a model"):
        heads.writes(trace, 0, 0, scope="llama")
    with pytest.raises(ValueError, match="got none"):
        heads.ov_tokens(scope, 0, 0, [])
    with pytest.raises(ValueError, match="choose one with"):
        heads.value_weighted_attention(scope.trace([PROMPT, PROMPT]), 0)
    with pytest.raises(ValueError, match="read from a file"):
        heads.writes(type(trace).from_json(trace.to_json()), 0, 0)


@pytest.mark.parametrize("family", ["bitnet", "qwen3_next"])
def test_what_stands_between_heads_and_output_matrix_is_refused(family):
    scope = Microscope.for_model(family_model(family), tiny_tokenizer())
    layer = next(at for at, block in enumerate(scope.anatomy.blocks) if block.gated and block.attention is not None)
    with pytest.raises(UnsupportedModelError, match="something stands between them"):
        heads.ov_tokens(scope, layer, 0, 5)
    with pytest.raises(UnsupportedModelError, match="something stands between them"):
        heads.value_weighted_attention(scope.trace(PROMPT), layer)
    assert len(heads.writes(scope.trace(PROMPT), layer, 0).top()) == 10  # what the matrix gets is known


def test_a_layer_without_attention_is_refused():
    scope = Microscope.for_model(family_model("lfm2"), tiny_tokenizer())
    for function in (heads.ov_tokens, heads.qk_tokens):
        with pytest.raises(UnsupportedModelError, match="no attention that this package can see into"):
            function(scope, 0, 0, 5)
        assert len(function(scope, 1, 0, 5).top()) == 10


def test_a_model_without_heads_says_so():
    config = hf.MambaConfig(vocab_size=VOCAB, hidden_size=32, num_hidden_layers=2, state_size=4)
    scope = Microscope.for_model(hf.MambaForCausalLM(config).eval(), tiny_tokenizer())
    for made in (
        lambda: heads.writes(scope.trace(PROMPT), 0, 0),
        lambda: heads.ov_tokens(scope, 0, 0, 5),
        lambda: steering.Session(scope, PROMPT, [steering.ScaleHead(0, 0, 0.0)]),
        lambda: steering.PatchActivation.of(scope, PROMPT, 0, 0),
    ):
        with pytest.raises((IndexError, ValueError), match="no layer of (it|local) attends"):
            made()


def test_tokens_and_positions_that_are_normed_together_have_no_bare_embedding():
    scope = Microscope.for_model(family_model("bert"), tiny_tokenizer())
    with pytest.raises(UnsupportedModelError, match="is not the embedding of a token and that of a position, added"):
        heads.qk_tokens(scope, 0, 0, 5)
    with pytest.raises(UnsupportedModelError, match="The OV circuit needs a residual stream that is the sum"):
        heads.ov_tokens(scope, 1, 0, 5)
