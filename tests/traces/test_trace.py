"""Traces against the plain Hugging Face forward, for every family."""

import copy

import numpy as np
import pytest
import torch

from scope_widgets import Microscope
from scope_widgets.traces.not_captured import NotCapturedError
from scope_widgets.traces.trace import TRACE_SITES
from tests.support.tiny_models import CONFIGS, tiny_model, tiny_tokenizer

IDS = [3, 17, 5, 44, 9, 17, 5, 80, 12, 3]


@pytest.fixture(scope="module", params=sorted(CONFIGS))
def family(request):
    """A model as a user has it (default attention), the same in eager mode, and its plain forward."""
    model = tiny_model(request.param)
    eager = copy.deepcopy(model)
    if request.param != "gpt_neo":
        eager.set_attn_implementation("eager")
    with torch.no_grad():
        plain = eager(torch.tensor([IDS]), output_hidden_states=True, output_attentions=True)
    scope = Microscope.for_model(model, tiny_tokenizer())
    return scope, plain, scope.trace(IDS)


def close(a, b, tolerance=1e-5):
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def test_sizes(family):
    scope, _, _ = family
    config = scope.model.config
    assert scope.n_layers == config.num_hidden_layers
    assert scope.n_heads == config.num_attention_heads
    assert scope.d_model == config.hidden_size


def test_residual_is_hidden_states(family):
    scope, plain, trace = family
    for layer in range(scope.n_layers):
        assert torch.equal(trace.residual(layer), plain.hidden_states[layer][0])
        close(trace.token_norms(layer), plain.hidden_states[layer][0].norm(dim=-1))
    final_norm = scope.anatomy.final_norm
    close(final_norm(trace.residual(scope.n_layers)), plain.hidden_states[-1][0])
    assert torch.equal(trace.logits, plain.logits[0])


def test_attention_is_eager_attention(family):
    scope, plain, trace = family
    for layer in range(scope.n_layers):
        close(trace.attention(layer), plain.attentions[layer][0], 1e-6)
        close(trace.attention(layer).sum(-1), torch.ones(scope.n_heads, len(IDS)))


def test_attention_again_from_queries_and_keys(family):
    scope, plain, _ = family
    trace = scope.trace(IDS, capture=("q", "k"))
    for layer in range(scope.n_layers):
        close(trace.attention(layer), plain.attentions[layer][0])


def test_z_reassembles_the_attention_output(family):
    scope, _, trace = family
    for layer, block in enumerate(scope.anatomy.blocks):
        with torch.no_grad():
            written = block.out(trace.z(layer).flatten(-2))
            if block.attention_out is not block.attention:
                written = block.attention_out(written)
        close(written, trace.attention_out(layer))


def test_blocks_add_to_the_residual_stream(family):
    scope, _, trace = family
    for layer in range(scope.n_layers):
        total = trace.residual(layer) + trace.attention_out(layer) + trace.mlp_out(layer)
        close(total, trace.residual(layer + 1))


def test_values_make_z(family):
    scope, _, trace = family
    group = scope.n_heads // scope.anatomy.n_kv_heads
    for layer in range(scope.n_layers):
        v = trace.v(layer).repeat_interleave(group, dim=1)
        close(torch.einsum("hqk,khd->qhd", trace.attention(layer), v), trace.z(layer))


def test_padded_batch_equals_single_prompts(family):
    scope, _, _ = family
    prompts = [IDS, IDS[:4], IDS[2:9]]
    batch = scope.trace(prompts)
    assert batch.batched
    assert batch.lengths == [10, 4, 7]
    assert torch.isnan(batch.residual(1)[1, 4:]).all()
    for i, prompt in enumerate(prompts):
        alone, cut = scope.trace(prompt), batch[i]
        assert cut.tokens == alone.tokens == batch.tokens[i]
        close(cut.logits, alone.logits, 1e-4)
        for site in TRACE_SITES:
            for layer in range(scope.n_layers):
                close(getattr(cut, site)(layer), getattr(alone, site)(layer), 1e-4)


def test_attention_under_sdpa():
    for family in ("gpt2", "llama", "opt"):
        model = tiny_model(family, "sdpa")
        trace = Microscope.for_model(model, tiny_tokenizer()).trace(IDS)
        assert model.config._attn_implementation == "sdpa"
        model.set_attn_implementation("eager")
        with torch.no_grad():
            plain = model(torch.tensor([IDS]), output_attentions=True)
        close(trace.attention(2), plain.attentions[2][0], 1e-6)


def test_capture_only_what_is_asked_for():
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    trace = scope.trace(IDS, capture=("residual", "attention"))
    assert trace.captured == ("residual", "attention")
    with pytest.raises(NotCapturedError, match=r"did not capture 'z'.*capture="):
        trace.z(0)
    with pytest.raises(ValueError, match="'neurons'.*known are residual"):
        scope.trace(IDS, capture=("neurons",))
    with pytest.raises(IndexError, match="Layer 3 is out of range: this quantity has layers 0 to 2"):
        trace.attention(3)
    assert torch.equal(trace.attention(-1), trace.attention(2))


def test_activation_statistics_equal_numpy():
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    batch = scope.trace([IDS, IDS[:3]])
    table = batch.activation_statistics("residual")
    for layer in range(scope.n_layers + 1):
        valid = np.concatenate([batch[i].residual(layer).double().numpy() for i in range(2)])
        row = table.iloc[layer]
        np.testing.assert_allclose(
            [row["mean"], row["std"], row["min"], row["max"], row["mean_norm"]],
            [valid.mean(), valid.std(), valid.min(), valid.max(), np.linalg.norm(valid, axis=-1).mean()],
            rtol=1e-9,
        )
