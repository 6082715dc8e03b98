"""OpenAI's sparse_autoencoder: state dictionaries of GPT-2's."""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

from scope_widgets._untrusted import check_count, opening
from scope_widgets.features.sae.sae import SAE

#: our site by the name of a location; what stands between attention and MLP is no site of ours
_SITES = {
    "resid_post_mlp": "residual",
    "resid_delta_mlp": "mlp_out",
    "resid_delta_attn": "attention_out",
    "mlp_post_act": "neurons",
}


def is_known(names: set[str]) -> bool:
    """Whether these are its tensors."""
    return {"pre_bias", "latent_bias", "encoder.weight"} <= names


def sae_of(tensors: dict[str, Tensor], config: dict[str, Any], path: str, k: int | None) -> SAE:
    """Return the SAE of a state dictionary; one with TopK normalises its rows, as its own reader takes it."""
    kind = config.get("activation", "ReLU")
    if kind not in ("ReLU", "TopK"):
        raise ValueError(f"its activation is {opening(kind)}; known are ReLU and TopK")
    count = None
    if kind == "TopK":
        count = check_count("k", k if k is not None else config.get("activation_state_dict.k"))
    decoder = tensors.get("decoder.weight", tensors["encoder.weight"].T)
    site, layer = _place(path)
    return SAE(
        W_enc=tensors["encoder.weight"].T.contiguous(),
        W_dec=decoder.T.contiguous(),
        b_enc=tensors["latent_bias"],
        b_dec=tensors["pre_bias"],
        activation="relu" if kind == "ReLU" else "topk",
        k=count,
        normalisation="none" if kind == "ReLU" else "layer_norm",
        site=site,
        layer=layer,
        model="gpt2" if "gpt2-small" in path else "",
    )


def _place(path: str) -> tuple[str, int | None]:
    """Return site and layer, from `.../<location>_.../autoencoders/<layer>.pt`."""
    found = re.search(rf"({'|'.join(_SITES)})[^/]*/autoencoders/(\d{{1,4}})\.pt$", path)
    if not found:
        return "residual", None
    site = _SITES[found[1]]
    return site, int(found[2]) + (site == "residual")
