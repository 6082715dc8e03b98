"""Where tokens are in their prompts, of forwards that go on from a cache."""

import pytest
import torch
from torch import nn
from transformers import DynamicCache

from scope_widgets.models.execution.prompt_positions import PromptPositions


class Before(nn.Module):
    def forward(self, input_ids=None, attention_mask=None, past_key_values=None, use_cache=None): ...


class Since(nn.Module):
    def forward(self, input_ids=None, attention_mask=None, cache=None, use_cache=None): ...


@pytest.mark.parametrize(("stack", "name"), [(Before(), "past_key_values"), (Since(), "cache")])
def test_a_cache_is_known_by_either_name(demo, stack, name):
    """transformers 5.24 calls it `cache`."""
    positions, cache = PromptPositions(demo.model, stack, "nothing"), DynamicCache()
    cache.update(torch.zeros(1, 2, 4, 3), torch.zeros(1, 2, 4, 3), 0)
    found, _ = positions.of_forward((), {"input_ids": torch.tensor([[7, 8]]), name: cache})
    assert found.tolist() == [[4, 5]]
    assert positions.columns == 6
