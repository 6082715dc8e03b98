"""Goodfire's SAEs of Llama 3: a state dictionary of two linear layers."""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

from scope_widgets.features.sae.sae import SAE


def is_known(names: set[str]) -> bool:
    """Whether these are its tensors."""
    return {"encoder_linear.weight", "encoder_linear.bias", "decoder_linear.weight", "decoder_linear.bias"} <= names


def sae_of(tensors: dict[str, Tensor], config: dict[str, Any], path: str, k: int | None) -> SAE:
    """Return the SAE of a state dictionary; its model and layer are in the name of its file."""
    found = re.search(r"(Llama-[\w.-]{1,60}?)-SAE-l(\d{1,4})", path)
    return SAE(
        W_enc=tensors["encoder_linear.weight"].T.contiguous(),
        W_dec=tensors["decoder_linear.weight"].T.contiguous(),
        b_enc=tensors["encoder_linear.bias"],
        b_dec=tensors["decoder_linear.bias"],
        subtracts_b_dec=False,
        layer=int(found[2]) + 1 if found else None,
        model=f"meta-llama/{found[1]}" if found else "",
    )
