"""Head importance against brute-force ablation."""

import numpy as np
import pytest
import scipy.stats
import torch

from scope_widgets import Microscope, heads
from tests.support.tiny_models import tiny_model, tiny_tokenizer


@pytest.mark.parametrize("ablation", ["zero", "mean"])
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_importance_is_brute_force_ablation(family, ablation):
    model = tiny_model(family)
    scope = Microscope.for_model(model, tiny_tokenizer())
    ids = [3, 17, 5, 44, 9, 17, 5]
    scores = heads.importance(scope, ids, ablation=ablation, batch=3)
    d_head = scope.anatomy.d_head

    def without(layer, head):
        def hook(module, args):
            z = args[0].clone()
            part = z[..., head * d_head : (head + 1) * d_head]
            part[:] = 0 if ablation == "zero" else part.mean(1, keepdim=True)
            return (z,)

        handle = scope.anatomy.blocks[layer].out.register_forward_pre_hook(hook)
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        handle.remove()
        return logits

    with torch.no_grad():
        base = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    brute = np.array(
        [[float((base.exp() * (base - without(a, b))).sum(-1).mean()) for b in range(4)] for a in range(3)]
    )
    np.testing.assert_allclose(scores["kl"], brute, atol=1e-5)
    after = np.array([[-without(a, b)[range(6), ids[1:]].mean().item() for b in range(4)] for a in range(3)])
    np.testing.assert_allclose(scores["loss"], after + base[range(6), ids[1:]].mean().item(), atol=1e-5)
    assert scipy.stats.spearmanr(scores["kl"].ravel(), brute.ravel()).statistic >= 0.99
    with pytest.raises(ValueError, match="ablation= is one of zero, mean; got 'noise'"):
        heads.importance(scope, ids, ablation="noise")


def test_importance_in_bfloat16_is_computed_in_float32():
    ids = [3, 17, 5, 44, 9, 17, 5]
    exact = heads.importance(Microscope.for_model(tiny_model("llama"), tiny_tokenizer()), ids)
    coarse = heads.importance(Microscope.for_model(tiny_model("llama").bfloat16(), tiny_tokenizer()), ids)
    np.testing.assert_allclose(coarse["kl"], exact["kl"], rtol=0.2, atol=0.01)
    assert len(np.unique(coarse["loss"] * 64 % 1)) > 6, "not rounded to what bfloat16 can say"
    with pytest.raises(ValueError, match="one prompt of at least two tokens"):
        heads.importance(Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer()), [3])
