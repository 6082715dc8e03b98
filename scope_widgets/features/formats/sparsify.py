"""EleutherAI's sparsify: `cfg.json` and `sae.safetensors`."""

from __future__ import annotations

from pathlib import Path

from safetensors import safe_open

from scope_widgets._untrusted import check_count, opening, parse_json, read_text, reading
from scope_widgets.features.sae.sae import SAE

CONFIG, WEIGHTS = "cfg.json", "sae.safetensors"


def is_sparsify(folder: Path) -> bool:
    """Whether a folder holds this layout."""
    return (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file()


def read(folder: Path) -> SAE:
    """Return the SAE, or transcoder, of a folder.

    Raises
    ------
    ValueError
        For files that are damaged, or an activation that is not known.
    """
    with reading(f"{str(folder / CONFIG)!r} is not a configuration of sparsify"):
        config = parse_json(read_text(folder / CONFIG, 10_000_000), finite=False)
        if not isinstance(config, dict):
            raise ValueError(f"it is no object but {opening(config)}")
        k = check_count("k", config.get("k"))
    with reading(f"{str(folder / WEIGHTS)!r} is not the weights of an SAE of sparsify"):
        with safe_open(str(folder / WEIGHTS), "pt") as file:
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - it is no mapping
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
