"""dictionary_learning's state dictionaries (`ae.pt`, with `config.json` beside it)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from scope_widgets._untrusted import check_count, opening
from scope_widgets.features.sae.sae import SAE

Tensors = dict[str, Tensor]

_SITES = {"resid_post": "residual", "mlp_out": "mlp_out", "attn_out": "attention_out", "attention_out": "attention_out"}
_SUBTRACTED = {"subtracts_b_dec": True}
_NOT_SUBTRACTED = {"subtracts_b_dec": False}


def is_known(names: set[str]) -> bool:
    """Whether these are the tensors of one of its classes."""
    of_layers = {"encoder.weight", "decoder.weight"} <= names and "latent_bias" not in names
    return of_layers or ({"W_enc", "W_dec", "threshold"} <= names)


def sae_of(tensors: Tensors, config: dict[str, Any], path: str, k: int | None) -> SAE:
    """Return the SAE of a state dictionary; raise ValueError where its class is not known."""
    trainer = config.get("trainer")
    trainer = trainer if isinstance(trainer, dict) else {}
    kind = trainer.get("dict_class") or _kind(set(tensors))
    options = _options(kind, tensors, k)
    site, layer = _place(trainer)
    model = trainer.get("lm_name")
    return SAE(**options, site=site, layer=layer, model=model if isinstance(model, str) else "")


def _kind(names: set[str]) -> str:
    """Return the class whose tensors have these names."""
    if "r_mag" in names:
        return "GatedAutoEncoder"
    if "bias" in names:
        return "AutoEncoder"
    if "decoder.bias" in names:
        return "AutoEncoderNew"
    if "group_sizes" in names:
        return "MatryoshkaBatchTopKSAE"
    if "W_enc" in names:
        return "JumpReluAutoEncoder"
    raise ValueError(
        "its tensors are those of AutoEncoderTopK and of BatchTopKSAE, and config.json, which names the class "
        '({"trainer": {"dict_class": ...}}), does not lie beside it'
    )


def _options(kind: str, tensors: Tensors, k: int | None) -> dict[str, Any]:
    if "W_enc" in tensors:
        weights = {name: tensors[name] for name in ("W_enc", "W_dec", "b_enc", "b_dec")}
    else:
        weights = {
            "W_enc": tensors["encoder.weight"].T.contiguous(),
            "W_dec": tensors["decoder.weight"].T.contiguous(),
        }
    match kind:
        case "AutoEncoder":
            # read there with decoder rows of norm 1
            norms = weights["W_dec"].norm(dim=1)
            weights |= {"W_enc": weights["W_enc"] * norms, "W_dec": weights["W_dec"] / norms[:, None]}
            return {**weights, **_SUBTRACTED, "b_enc": tensors["encoder.bias"] * norms, "b_dec": tensors["bias"]}
        case "AutoEncoderNew":
            return {**weights, **_NOT_SUBTRACTED, "b_enc": tensors["encoder.bias"], "b_dec": tensors["decoder.bias"]}
        case "GatedAutoEncoder":
            gate = torch.stack([tensors["gate_bias"], tensors["r_mag"]])
            biases = {"b_enc": tensors["mag_bias"], "b_dec": tensors["decoder_bias"]}
            return {**weights, **_SUBTRACTED, **biases, "activation": "gated", "gate": gate}
        case "JumpReluAutoEncoder":
            return {**weights, **_NOT_SUBTRACTED, "activation": "jumprelu", "threshold": tensors["threshold"]}
        case "AutoEncoderTopK":
            biases = {"b_enc": tensors["encoder.bias"], "b_dec": tensors["b_dec"]}
            count = check_count("k", k if k is not None else int(tensors["k"]))
            return {**weights, **_SUBTRACTED, **biases, "activation": "topk", "k": count}
        case "BatchTopKSAE" | "MatryoshkaBatchTopKSAE":
            if "encoder.bias" in tensors:
                weights |= {"b_enc": tensors["encoder.bias"], "b_dec": tensors["b_dec"]}
            # below 0 it was never set: what is above 0 fires
            threshold = tensors["threshold"].clamp(min=0).expand(len(weights["b_enc"])).clone()
            return {**weights, **_SUBTRACTED, "activation": "jumprelu", "threshold": threshold}
    raise ValueError(f"its class is {opening(kind)}, which is not known")


def _place(trainer: dict[str, Any]) -> tuple[str, int | None]:
    """Return site and layer; by default its trainers read what leaves a block."""
    name = str(trainer.get("submodule_name") or "resid_post")
    site = next((site for word, site in _SITES.items() if name.startswith(word)), "residual")
    if not isinstance(trainer.get("layer"), int):
        return site, None
    layer = check_count("layer", trainer["layer"])
    return site, layer + 1 if site == "residual" else layer
