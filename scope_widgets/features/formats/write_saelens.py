"""Writing an SAE in SAELens's layout: `cfg.json` and `sae_weights.safetensors`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scope_widgets.features.formats.files import write_files
from scope_widgets.features.formats.hook_names import HOOKS, PLACE, hook_name
from scope_widgets.features.sae.weights import Weights

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"

_NORMALISATIONS = {"none": "none", "layer_norm": "layer_norm", "norm": "constant_norm_rescale"}
_ARCHITECTURES = {"relu": "standard", "topk": "topk", "jumprelu": "jumprelu", "gated": "gated"}


def write(sae: Weights, folder: Path) -> None:
    """Write an SAE so that SAELens reads it, and it is read here as it was.

    The weights say which configuration they belong to: of an interrupted save nothing is read.

    Raises
    ------
    ValueError
        For a transcoder that SAELens has no layout for.
    """
    config = _config(sae)
    tensors = {name: getattr(sae, name) for name in ("W_enc", "W_dec", "b_enc", "b_dec", "threshold", "W_skip")}
    if sae.gate is not None:
        del tensors["b_enc"]
        tensors |= {"b_mag": sae.b_enc, "b_gate": sae.gate[0], "r_mag": sae.gate[1]}
    write_files(folder / CONFIG, config, folder / WEIGHTS, tensors)


def _config(sae: Weights) -> dict[str, Any]:
    architecture = _ARCHITECTURES[sae.activation]
    if sae.is_transcoder:
        if sae.activation not in ("relu", "jumprelu"):
            raise ValueError(
                f"SAELens has no layout for a transcoder with the activation {sae.activation!r} (it has relu and "
                "jumprelu), so this one cannot be saved in it."
            )
        skip = "skip_" if sae.W_skip is not None else ""
        architecture = f"{skip}transcoder" if sae.activation == "relu" else f"jumprelu_{skip}transcoder"
    place = {"site": sae.site, "output_site": sae.output_site, "layer": sae.layer}
    about = {**sae.metadata, "model_name": sae.model, PLACE: place}
    if sae.layer is not None and sae.site in HOOKS:
        about["hook_name"] = hook_name(sae.site, sae.layer)
    if sae.layer is not None and sae.is_transcoder and sae.output_site in HOOKS:
        about["hook_name_out"] = hook_name(sae.output_site, sae.layer)
    config = {
        "architecture": architecture,
        "d_in": sae.d_in,
        "d_sae": sae.d_sae,
        "dtype": str(sae.W_enc.dtype).removeprefix("torch."),
        "device": "cpu",
        "apply_b_dec_to_input": sae.subtracts_b_dec,
        "normalize_activations": _NORMALISATIONS[sae.normalisation],
        "reshape_activations": "hook_z" if sae.site == "z" else "none",
        "metadata": about,
    }
    if sae.is_transcoder:
        config["d_out"] = sae.W_dec.shape[1]
    if sae.activation == "topk":
        config |= {"k": sae.k, "rescale_acts_by_decoder_norm": False}
    return config
