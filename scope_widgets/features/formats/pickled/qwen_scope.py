"""Qwen Scope: a state dictionary a layer, TopK."""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

from scope_widgets._untrusted import check_count
from scope_widgets.features.sae.sae import SAE


def is_known(names: set[str]) -> bool:
    """Whether these are its tensors."""
    return {"W_enc", "W_dec", "b_enc", "b_dec"} <= names and not names & {"threshold", "W_skip"}


def sae_of(tensors: dict[str, Tensor], config: dict[str, Any], path: str, k: int | None) -> SAE:
    """Return the SAE of a state dictionary; its k is in the name of its folder, its layer in that of its file."""
    in_name = re.search(r"SAE-Res-(Qwen[\w.-]{1,40}?)-W\d+K-L0_(\d{1,5})", path)
    if k is None and in_name is None:
        raise ValueError("how many latents fire is not in its path (...-L0_<k>/...): give k=")
    layer = re.search(r"layer(\d{1,4})\.sae\.pt$", path)
    return SAE(
        W_enc=tensors["W_enc"].T.contiguous(),
        W_dec=tensors["W_dec"].T.contiguous(),
        b_enc=tensors["b_enc"],
        b_dec=tensors["b_dec"],
        activation="topk",
        k=check_count("k", k if k is not None else int(in_name[2])),  # type: ignore[index]
        subtracts_b_dec=False,
        layer=int(layer[1]) + 1 if layer else None,
        model=f"Qwen/{in_name[1]}" if in_name else "",
    )
