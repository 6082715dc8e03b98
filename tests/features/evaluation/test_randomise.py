"""A randomised model has the numbers of the model in other places, and the model stays as it is."""

import pytest
import torch

from scope_widgets import Microscope, features
from tests.support.fake_transport import fake_remote
from tests.support.tiny_models import tiny_model, tiny_tokenizer


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_entries_of_matrices_are_shuffled(family, dtype):
    scope = Microscope.for_model(tiny_model(family).to(dtype), tiny_tokenizer())
    before = {name: one.clone() for name, one in scope.model.named_parameters()}
    null = features.randomise(scope, seed=3)
    assert all(torch.equal(one, before[name]) for name, one in scope.model.named_parameters())
    changed = dict(null.model.named_parameters())
    assert changed.keys() == before.keys()
    for name, one in before.items():
        if one.ndim == 1:
            assert torch.equal(changed[name], one)
        else:
            assert torch.equal(changed[name].flatten().sort().values, one.flatten().sort().values)
            assert (changed[name] == one).float().mean() < 0.2
    again, other = (features.randomise(scope, seed=seed) for seed in (3, 4))
    ids = [3, 4, 5, 6]
    logits = [one.trace(ids).logits for one in (null, again, other, scope)]
    assert torch.equal(logits[0], logits[1])
    assert not torch.allclose(logits[0], logits[2])
    assert not torch.allclose(logits[0], logits[3])
    assert null.model_id.endswith("with shuffled weights (seed 3)")


def test_embeddings_may_stay():
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    null = features.randomise(scope, embeddings=False)
    assert torch.equal(null.model.get_input_embeddings().weight, scope.model.get_input_embeddings().weight)
    assert not torch.equal(null.trace([3, 4]).residual(1), scope.trace([3, 4]).residual(1))


def test_a_model_elsewhere_cannot_be_copied():
    scope = Microscope.for_model(tiny_model("gpt2"), tiny_tokenizer())
    with pytest.raises(ValueError, match="is in this process"):
        features.randomise(fake_remote(scope))
