"""What goes into scores beside queries and keys is read from the forward: windows, chunks, slopes, sinks."""

import copy

import numpy as np
import pytest
import torch
import transformers as hf

from scope_widgets import Microscope, Trace, heads
from scope_widgets.traces.attention_scoring import AttentionScoring
from scope_widgets.traces.not_captured import NotCapturedError
from tests.support import reference_statistics
from tests.support.tiny_models import GROUPED, WIDTH, tiny_tokenizer

pytestmark = pytest.mark.numeric

IDS = [3, 17, 5, 44, 9, 17, 5, 80, 12, 3, 17, 5]
_EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
MODELS = {
    "sinks": lambda: hf.GptOssForCausalLM(hf.GptOssConfig(**GROUPED, **_EXPERTS, sliding_window=4)),
    "window in the mask alone": lambda: hf.PhimoeForCausalLM(hf.PhimoeConfig(**GROUPED, **_EXPERTS, sliding_window=4)),
    "chunks": lambda: hf.Llama4ForCausalLM(
        hf.Llama4TextConfig(
            **GROUPED, **_EXPERTS, attention_chunk_size=5, interleave_moe_layer_step=1, intermediate_size_mlp=48
        )
    ),
    "values of another width": lambda: hf.DeepseekV3ForCausalLM(
        hf.DeepseekV3Config(
            **WIDTH,
            num_key_value_heads=4,
            q_lora_rank=16, kv_lora_rank=16, qk_rope_head_dim=4, qk_nope_head_dim=8, v_head_dim=6,
            first_k_dense_replace=3,
        )
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=list(MODELS))
def family(request):
    torch.manual_seed(0)
    model = MODELS[request.param]().float().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and "emb" not in name:
                parameter.mul_(4.0)
            if "sinks" in name:
                parameter.normal_()
    eager = copy.deepcopy(model)
    eager.set_attn_implementation("eager")
    with torch.no_grad():
        plain = eager(torch.tensor([IDS]), output_attentions=True, use_cache=False)
    return request.param, Microscope.for_model(model, tiny_tokenizer(), request.param), plain


def close(a, b, tolerance=1e-5):
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def test_patterns_recorded_and_computed(family, tmp_path):
    name, scope, plain = family
    trace, later = scope.trace(IDS), scope.trace(IDS, capture=("q", "k"))
    later.save(tmp_path / "trace")
    saved = Trace.load(tmp_path / "trace")
    close(trace.logits, plain.logits[0])
    for layer in range(scope.n_layers):
        expected = plain.attentions[layer][0]
        for one in (trace, later, saved):
            close(one.attention(layer), expected)
        close(later.head_attention(layer, 3), expected[3])
        close(saved.attention_sink(layer).float(), 1 - expected.sum(-1))
        assert bool((saved.attention_sink(layer) > 1e-3).any()) == (name == "sinks")
    batch = scope.trace([IDS[:7], IDS], capture=("q", "k"))
    close(batch[0].attention(0), scope.trace(IDS[:7]).attention(0))
    close(batch[1].attention(0), plain.attentions[0][0])


def test_scores_of_heads_are_those_of_the_patterns(family):
    _, scope, plain = family
    tokens = np.array(IDS)
    recorded = heads.score(scope.trace(IDS), null_draws=5)
    computed = heads.score(scope.trace(IDS, capture=("q", "k")))
    for layer in range(scope.n_layers):
        pattern = plain.attentions[layer][0].numpy()
        seen = (scope.trace(IDS).attention(layer)[0] > 0).sum(-1).numpy()
        expected = reference_statistics.head_statistics(pattern, tokens)
        with np.errstate(divide="ignore", invalid="ignore"):
            entropy = -np.nansum(np.where(pattern > 0, pattern * np.log(pattern), 0), -1)[:, seen > 1]
            expected["normalised_entropy"] = (entropy / np.log(seen[seen > 1])).mean(-1)
        for statistic, values in expected.items():
            np.testing.assert_allclose(recorded[statistic][layer], values, atol=1e-5)
            np.testing.assert_allclose(computed[statistic][layer], values, atol=1e-5)


def test_runs_from_the_middle(family):
    _, scope, _ = family
    run = scope.run([IDS, IDS[:9]])
    rows = torch.tensor([0, 1])
    for layer in range(scope.n_layers):
        close(run.again({}, rows=rows, positions=run.suffix(rows, 6), layer=layer), run.logits, 1e-4)
    close(run.logits[1], scope.trace(IDS[:9]).logits[-1], 1e-4)


def test_what_is_known_of_a_family():
    kinds = {name: Microscope.for_model(MODELS[name]().eval(), tiny_tokenizer()).trace(IDS).scoring for name in MODELS}
    assert kinds["window in the mask alone"][0].window == 4
    assert {one.window for one in kinds["sinks"]} == {4, None}
    assert all(len(one.sinks) == 4 for one in kinds["sinks"])
    assert {one.chunk for one in kinds["chunks"]} == {5, None} or {one.chunk for one in kinds["chunks"]} == {5}


def random_mask(seen, added=0.0):
    return torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min) + added


@pytest.mark.parametrize(
    ("seen", "known"),
    [
        (lambda q, k: k <= q, {}),
        (lambda q, k: (k <= q) & (q - k < 3), {"window": 3}),
        (lambda q, k: (k <= q) & (q // 4 == k // 4), {"chunk": 4}),
        (lambda q, k: q == k, {"window": 1}),
        (lambda q, k: q == q, {"causal": False}),
        (lambda q, k: (q - k).abs() < 3, {"causal": False, "window": 3}),
    ],
)
@pytest.mark.parametrize("slope", [0.0, -0.25])
def test_masks_are_described_and_made_again(seen, known, slope):
    n = 10
    q, k = torch.arange(n)[:, None], torch.arange(n)[None]
    visible = seen(q, k).expand(n, n)
    per_head = slope * torch.tensor([1.0, 2.0])[:, None, None]
    mask = torch.where(visible, per_head * (q - k) + 3 * q * bool(slope), torch.finfo(torch.float32).min)[None]
    found = AttentionScoring.of_mask(mask, torch.ones(1, n, dtype=torch.bool)).with_scores(scaling=0.5)
    assert not found.unknown
    assert {name: getattr(found, name) for name in known} == known
    queries, keys = torch.randn(n, 2, 8), torch.randn(n, 1, 8)
    scores = torch.einsum("qhd,kd->hqk", queries, keys[:, 0]) * 0.5 + mask[0]
    close(found.attention(queries, keys), scores.softmax(-1))
    close(found.of_head(1).attention(queries[:, 1:], keys), scores.softmax(-1)[1:])


def test_masks_that_are_no_window_get_a_sentence():
    kept, causal = torch.ones(2, 6, dtype=torch.bool), torch.ones(6, 6).tril().bool()
    holes = causal.clone()
    holes[4, 2] = False
    table = torch.randn(2, 6, 6)
    q, k = torch.randn(6, 2, 8), torch.randn(6, 2, 8)
    for mask in (random_mask(holes)[None, None], random_mask(causal, table)[None]):
        found = AttentionScoring.of_mask(mask, kept[:1])
        assert not found.from_products
        with pytest.raises(NotCapturedError, match=r"that is no window or slope. Trace with capture=\('attention',\)"):
            found.attention(q, k)
    two = torch.stack([random_mask(causal), random_mask(causal & (torch.ones(6, 6).triu(-2) > 0))])[:, None]
    assert "different ways" in AttentionScoring.of_mask(two, kept).unknown
    kept[1, 4:] = False
    padded = torch.stack([random_mask(causal), random_mask(causal & kept[1])])[:, None]
    assert AttentionScoring.of_mask(padded, kept).from_products
    left = kept.flip(1)
    padded = torch.stack([random_mask(causal), random_mask(causal & left[1])])[:, None]
    assert AttentionScoring.of_mask(padded, left).from_products


@pytest.mark.parametrize("kind", ["bert", "modernbert"])
def test_encoders_see_what_comes_later(kind):
    torch.manual_seed(0)
    if kind == "bert":
        model = hf.BertForMaskedLM(hf.BertConfig(**WIDTH)).eval()
    else:
        options = {"local_attention": 4, "cls_token_id": 1, "sep_token_id": 2}
        model = hf.ModernBertForMaskedLM(hf.ModernBertConfig(**WIDTH, **options)).eval()
    eager = copy.deepcopy(model)
    eager.set_attn_implementation("eager")
    with torch.no_grad():
        plain = eager(torch.tensor([IDS]), output_attentions=True)
    scope = Microscope.for_model(model, tiny_tokenizer(), kind)
    trace, later = scope.trace(IDS), scope.trace(IDS, capture=("q", "k"))
    close(trace.logits, plain.logits[0])
    for layer in range(scope.n_layers):
        close(trace.attention(layer), plain.attentions[layer][0])
        close(later.attention(layer), plain.attentions[layer][0])
        assert not trace.scoring[layer].causal
    with pytest.raises(ValueError, match="Head statistics are of causal attention"):
        heads.score(trace)
    run, rows = scope.run([IDS, IDS[:6]]), torch.tensor([1])
    close(run.logits[1], scope.trace(IDS[:6]).logits[-1], 1e-4)
    close(run.again({}, rows=rows, positions=run.suffix(rows, 4), layer=1), run.logits[1:], 1e-4)
