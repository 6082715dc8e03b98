"""Writing a transcoder of the strongest latents in the layout of sparsify, the one library that has such."""

from __future__ import annotations

from pathlib import Path

from scope_widgets.features.formats import write_saelens
from scope_widgets.features.formats.files import write_files
from scope_widgets.features.formats.hook_names import PLACE
from scope_widgets.features.sae.weights import Weights

CONFIG, WEIGHTS = "cfg.json", "sae.safetensors"


def write(sae: Weights, folder: Path) -> None:
    """Write a "topk" transcoder so that sparsify reads it where input and output have one width, and we do always.

    Raises
    ------
    ValueError
        Where rows are normalised, of which sparsify knows nothing.
    """
    if sae.normalisation != "none":
        raise ValueError(f"sparsify has no layout for a transcoder of normalised rows ({sae.normalisation!r}).")
    about = {
        "activation": "topk",
        "num_latents": sae.d_sae,
        "k": sae.k,
        "transcode": True,
        "skip_connection": sae.W_skip is not None,
        "d_in": sae.d_in,
        PLACE: {"site": sae.site, "output_site": sae.output_site, "layer": sae.layer, "model": sae.model},
    }
    tensors = {
        "encoder.weight": sae.W_enc.T,
        "encoder.bias": sae.b_enc,
        "W_dec": sae.W_dec,
        "b_dec": sae.b_dec,
        "W_skip": sae.W_skip,
    }
    write_files(folder / CONFIG, about, folder / WEIGHTS, tensors)
    (folder / write_saelens.WEIGHTS).unlink(missing_ok=True)  # of what was there before: it would be read first
