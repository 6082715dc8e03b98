"""EleutherAI's sparsify: `cfg.json` and `sae.safetensors`."""

from __future__ import annotations

from pathlib import Path

from scope_widgets._untrusted import check_count, opening, reading
from scope_widgets.features.formats.files import check_together, read_config, read_tensors
from scope_widgets.features.formats.hook_names import PLACE, own_place
from scope_widgets.features.formats.write_sparsify import CONFIG, WEIGHTS
from scope_widgets.features.sae.sae import SAE


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
    check_together(folder / CONFIG, folder / WEIGHTS)
    with reading(f"{str(folder)!r} is no SAE that is known"):
        k = check_count("k", config.get("k"))
        if config.get("activation", "topk") != "topk" or not k:
            raise ValueError(f"its activation is {opening(config.get('activation'))} with k {k}; known is topk")
        transcodes = bool(config.get("transcode", False))
        ours = config.get(PLACE)
        place = own_place(ours) or (("mlp_in", "mlp_out", None) if transcodes else ("residual", "residual", None))
        return SAE(
            W_enc=tensors["encoder.weight"].T.contiguous(),
            W_dec=tensors["W_dec"],
            b_enc=tensors["encoder.bias"],
            b_dec=tensors["b_dec"],
            activation="topk",
            k=k,
            subtracts_b_dec=not transcodes,
            W_skip=tensors.get("W_skip"),
            site=place[0],
            output_site=place[1],
            layer=place[2],
            model=str(ours.get("model") or "") if isinstance(ours, dict) else "",
        )
