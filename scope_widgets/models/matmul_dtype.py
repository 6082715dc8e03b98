"""`matmul_dtype`: how coarsely a model's layers multiply, whatever its numbers are stored in."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def matmul_dtype(model: Any) -> torch.dtype:
    """Return the coarsest dtype that a layer of a model multiplies in: what it rounds by.

    Layers that bitsandbytes quantised take and give the model's dtype and multiply in another: eight bits round what
    they read to integers, about as coarse as bfloat16; four bits compute in bfloat16 on a CPU that has instructions
    for it.
    """
    found: set[torch.dtype] = {model.dtype, *(_of_layer(module) for module in model.modules())} - {None}
    return max(found, key=lambda dtype: torch.finfo(dtype).eps)


def _of_layer(module: nn.Module) -> Any:
    names = {kind.__name__ for kind in type(module).__mro__}
    if "Linear8bitLt" in names:
        return torch.bfloat16
    if "Linear4bit" in names:
        on_cpu = getattr(module, "support_avx512bf16_for_cpu", False) and module.weight.device.type == "cpu"
        return torch.bfloat16 if on_cpu else module.compute_dtype
    return None
