"""EleutherAI's sparsify: `cfg.json` and `sae.safetensors`."""

from __future__ import annotations

from pathlib import Path

from scope_widgets._untrusted import check_count, opening, reading
from scope_widgets.features.formats.files import read_config, read_tensors
from scope_widgets.features.sae.sae import SAE

CONFIG, WEIGHTS = "cfg.json", "sae.safetensors"


def holds(path: Path) -> bool:
    """Whether a path is of this layout."""
    return (path / CONFIG).is_file() and (path / WEIGHTS).is_file()


def read(folder: Path) -> SAE:
    """Return the SAE, or transcoder, of a folder.

    Raises
    ------
    ValueError
        For files that are damaged, or an activation that is not known.
    """
    config = read_config(folder / CONFIG, "sparsify")
    tensors = read_tensors(folder / WEIGHTS)
    with reading(f"{str(folder)!r} is no SAE that is known"):
        k = check_count("k", config.get("k"))
        if config.get("activation", "topk") != "topk" or not k:
            raise ValueError(f"its activation is {opening(config.get('activation'))} with k {k}; known is topk")
        transcodes = bool(config.get("transcode", False))
        return SAE(
            W_enc=tensors["encoder.weight"].T.contiguous(),
            W_dec=tensors["W_dec"],
            b_enc=tensors["encoder.bias"],
            b_dec=tensors["b_dec"],
            activation="topk",
            k=k,
            subtracts_b_dec=not transcodes,
            W_skip=tensors.get("W_skip"),
            site="mlp_in" if transcodes else "residual",
            output_site="mlp_out" if transcodes else "residual",
        )
