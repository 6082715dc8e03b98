"""What stands between attention's matrix and the stream: a norm belongs to each position, a convolution to none."""

import numpy as np
import pytest
import torch
from torch import nn

from scope_widgets import Microscope, heads, lens
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.execution.model_validation import is_tested
from scope_widgets.widgets.patching_map.cells import values_of
from tests.support.tiny_models import tiny_model, tiny_tokenizer

IDS = [5, 9, 31, 44, 7]


class ShortConvolution(nn.Module):
    """Adds half of the position before, as the families do that mix a few positions after attention."""

    def forward(self, value):
        return value + 0.5 * nn.functional.pad(value, (0, 0, 1, 0))[:, :-1]


@pytest.fixture(scope="module", params=[nn.Identity, ShortConvolution])
def after(request):
    model = tiny_model("olmo2")
    for block in model.model.layers:
        if request.param is ShortConvolution:
            block.post_attention_layernorm = ShortConvolution()
    return request.param, model, Microscope.for_model(model, tiny_tokenizer(), "tiny")


def test_what_is_written_is_what_leaves_it(after):
    _, model, scope = after
    with torch.no_grad():
        streams = model(torch.tensor([IDS]), output_hidden_states=True).hidden_states
    trace = scope.trace(IDS)
    torch.testing.assert_close(trace.residual(0), streams[0][0])
    torch.testing.assert_close(trace.residual(0) + trace.attention_out(0) + trace.mlp_out(0), streams[1][0])


def test_what_single_heads_write_is_had_where_positions_stay_apart(after):
    kind, _, scope = after
    trace = scope.trace(IDS)
    parts = lens.direct_logit_attribution(trace, answer=5, versus=9)
    difference = float(trace.logits[-1, 5] - trace.logits[-1, 9])
    assert float(np.nansum(parts.contribution)) == pytest.approx(difference, abs=1e-5)
    assert np.isnan(parts.heads).all() == (kind is ShortConvolution)
    assert len(parts.top(3)) == 3
    assert not parts.top(3)["contribution"].isna().any()
    if kind is ShortConvolution:
        with pytest.raises(UnsupportedModelError):
            heads.copying(scope, [5, 9])
    values, _ = values_of(parts)
    assert np.isinf(values).sum() == (12 if kind is ShortConvolution else 0)  # the map says undefined, not "not run"


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3", "opt"])
def test_a_known_family_with_an_exchanged_part_of_torch_is_measured(family):
    model = tiny_model(family)
    scope = Microscope.for_model(model, tiny_tokenizer(), "whole")
    assert is_tested(model)
    block = scope.anatomy.blocks[1]
    holder, name = next(
        (holder, name)
        for holder in block.attention.modules()
        for name, one in holder.named_children()
        if one is block.out
    )
    setattr(holder, name, nn.Sequential(block.out, nn.LayerNorm(scope.d_model)))
    assert not is_tested(model)
    trace = Microscope.for_model(model, tiny_tokenizer(), "exchanged").trace(IDS)
    try:
        parts = lens.direct_logit_attribution(trace, answer=5, versus=9)
    except UnsupportedModelError:  # what heads write through a norm is no sum
        return
    difference = float(trace.logits[-1, 5] - trace.logits[-1, 9])
    assert float(np.nansum(parts.contribution)) == pytest.approx(difference, abs=1e-5)
