"""Rounding as another machine makes it: noise of one ulp in every linear layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers.pytorch_utils import Conv1D


@contextmanager
def noise_in_linear_layers(model: Any, seed: int = 0) -> Iterator[None]:
    """Move each number that a linear layer of `model` gives by up to one ulp, by another amount in every call."""
    generator = torch.Generator().manual_seed(seed)

    def moved(module: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        ulps = 2 * torch.rand(output.shape, generator=generator) - 1
        return output * (1 + torch.finfo(output.dtype).eps * ulps)

    handles = [
        module.register_forward_hook(moved)
        for module in model.modules()
        if isinstance(module, torch.nn.Linear | Conv1D)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
