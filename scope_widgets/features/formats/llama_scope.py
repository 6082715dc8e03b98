"""Llama Scope: `hyperparams.json` and `checkpoints/final.safetensors`, JumpReLU with one threshold."""

from __future__ import annotations

from pathlib import Path

import torch

from scope_widgets._untrusted import opening, reading
from scope_widgets.features.formats.files import read_config, read_tensors
from scope_widgets.features.formats.hook_names import place_of
from scope_widgets.features.sae.sae import SAE

CONFIG, WEIGHTS = "hyperparams.json", "checkpoints/final.safetensors"


def holds(path: Path) -> bool:
    """Whether a path is of this layout."""
    return (path / CONFIG).is_file() and (path / WEIGHTS).is_file()


def read(path: Path) -> SAE:
    """Return the SAE of a folder.

    It was trained on rows that were scaled to a mean norm of `sqrt(d)`: the scale is folded into its weights. The
    threshold is in units of the rows as they are, and is scaled with them, as SAELens does.

    Raises
    ------
    ValueError
        For files that are damaged, or a configuration that lacks the norm.
    """
    config = read_config(path / CONFIG, "Llama Scope")
    tensors = read_tensors(path / WEIGHTS)
    with reading(f"{str(path)!r} is no SAE of Llama Scope"):
        norm, threshold = config["dataset_average_activation_norm"]["in"], config["jump_relu_threshold"]
        if not (isinstance(norm, (int, float)) and norm > 0 and isinstance(threshold, (int, float))):
            raise ValueError(f"its mean norm is {opening(norm)} and its threshold {opening(threshold)}")
        n, d = tensors["encoder.weight"].shape
        scale = d**0.5 / norm
        site, layer = place_of(str(config.get("hook_point_in"))) or ("residual", None)
        output_site = (place_of(str(config.get("hook_point_out"))) or (site, None))[0]
        return SAE(
            W_enc=(tensors["encoder.weight"].T * scale).contiguous(),
            W_dec=(tensors["decoder.weight"].T / scale).contiguous(),
            b_enc=tensors["encoder.bias"],
            b_dec=tensors["decoder.bias"] / scale,
            activation="jumprelu",
            threshold=torch.full((n,), threshold * scale),
            subtracts_b_dec=False,
            site=site,
            output_site=output_site,
            layer=layer,
            model="meta-llama/Llama-3.1-8B",
        )
