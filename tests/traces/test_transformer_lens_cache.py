"""A trace under TransformerLens's names; tests/docs/test_from_transformer_lens.py has its numbers."""

import pytest
import torch

from scope_widgets import Trace

PROMPT = "When Mary and John went to the store"


def test_each_name_is_the_quantity(demo):
    trace = demo.trace(PROMPT)
    cache = trace.to_transformer_lens_cache()
    assert len(cache) == len(list(cache)) == 4 * 9
    expected = {
        "blocks.0.hook_resid_pre": trace.residual(0),
        "blocks.2.hook_resid_post": trace.residual(3),
        "blocks.3.hook_resid_post": trace.residual(4),
        "blocks.1.hook_attn_out": trace.attention_out(1),
        "blocks.1.hook_mlp_out": trace.mlp_out(1),
        "blocks.1.attn.hook_rot_q": trace.q(1),
        "blocks.1.attn.hook_rot_k": trace.k(1),
        "blocks.1.attn.hook_v": trace.v(1),
        "blocks.1.attn.hook_z": trace.z(1),
        "blocks.1.attn.hook_pattern": trace.attention(1),
    }
    assert {name.partition(".")[2].partition(".")[2] for name in cache} == {
        name.partition(".")[2].partition(".")[2] for name in expected
    }
    for name, value in expected.items():
        assert torch.equal(cache[name], value[None])
        assert cache[name].data_ptr() == value.data_ptr()  # not a copy
        assert torch.equal(cache.remove_batch_dim()[name], value)


def test_short_names(demo):
    trace = demo.trace(PROMPT)
    cache = trace.to_transformer_lens_cache()
    assert torch.equal(cache["pattern", 1], cache["attn", 1])
    assert torch.equal(cache["pattern", 1], cache["blocks.1.attn.hook_pattern"])
    assert torch.equal(cache["pattern", 1, "attn"], cache["pattern", 1])
    assert torch.equal(cache["resid_post", -1][0], trace.residual(4))
    assert ("z", 3) in cache
    assert ("z", 4) not in cache
    for missing in ("blocks.4.attn.hook_z", ("q", 1), ("z",), "hook_embed"):  # rotary: it is rot_q
        assert missing not in cache
        with pytest.raises(KeyError, match=r"is not in this cache. It has, for layers 0 to 3: .*hook_resid_pre"):
            cache[missing]


def test_several_prompts_have_their_batch_axis(demo):
    trace = demo.trace([PROMPT, "When Mary"])
    cache = trace.to_transformer_lens_cache()
    assert cache["resid_pre", 0].shape == trace.residual(0).shape
    with pytest.raises(ValueError, match="has 2 prompts: take one"):
        cache.remove_batch_dim()
    assert torch.equal(trace[1].to_transformer_lens_cache()["z", 1][0], trace[1].z(1))


def test_only_what_was_recorded(demo, tmp_path):
    cache = demo.trace(PROMPT, capture=("q", "k")).to_transformer_lens_cache()
    assert sorted(cache)[:3] == ["blocks.0.attn.hook_pattern", "blocks.0.attn.hook_rot_k", "blocks.0.attn.hook_rot_q"]
    demo.trace(PROMPT).save(tmp_path / "trace")
    kept = Trace.load(tmp_path / "trace").to_transformer_lens_cache()  # no model says whether queries are turned
    assert ("z", 0) in kept
    assert ("rot_q", 0) not in kept


def test_queries_that_are_not_turned_have_the_plain_name():
    from scope_widgets import Microscope
    from tests.support.tiny_models import tiny_model, tiny_tokenizer

    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer(), "gpt2")
    trace = scope.trace([3, 4, 5])
    assert torch.equal(trace.to_transformer_lens_cache()["q", 1][0], trace.q(1))
