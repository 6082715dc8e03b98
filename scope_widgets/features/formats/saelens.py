"""SAELens's layout: `cfg.json` and `sae_weights.safetensors`, of its version 6 and of those before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scope_widgets._untrusted import opening, reading
from scope_widgets.features.formats.files import check_together, read_config, read_tensors
from scope_widgets.features.formats.hook_names import PLACE, own_place, place_of
from scope_widgets.features.formats.write_saelens import CONFIG, WEIGHTS
from scope_widgets.features.sae.sae import SAE
from scope_widgets.features.sae.weights import Normalisation

Config = dict[str, Any]
Tensors = dict[str, Tensor]

#: architectures that were saved as JumpReLU with one threshold: they choose over a batch in training alone
_AS_JUMPRELU = ("jumprelu", "batchtopk", "matryoshka_batchtopk", "jumprelu_transcoder", "jumprelu_skip_transcoder")
_TRANSCODERS = ("transcoder", "skip_transcoder", "jumprelu_transcoder", "jumprelu_skip_transcoder")
#: SAELens's normalisations by ours; the last has been folded into the weights when they were saved
_NORMALISATIONS: dict[str, Normalisation] = {
    "none": "none",
    "layer_norm": "layer_norm",
    "constant_norm_rescale": "norm",
    "expected_average_only_in": "none",
}


def holds(path: Path) -> bool:
    """Whether a path is of this layout."""
    return (path / CONFIG).is_file() and (path / WEIGHTS).is_file()


def read(folder: Path) -> SAE:
    """Return the SAE of a folder.

    Raises
    ------
    ValueError
        For files that are damaged, or an architecture that is not known.
    """
    config = read_config(folder / CONFIG, "SAELens")
    tensors = read_tensors(folder / WEIGHTS)
    check_together(folder / CONFIG, folder / WEIGHTS)
    with reading(f"{str(folder)!r} is no SAE that is known"):
        return _sae(_normalised(config), tensors)


def _normalised(given: Config) -> Config:
    """Return a configuration of any version with the names of version 6."""
    config = dict(given)
    about = config.get("metadata")
    about = dict(about) if isinstance(about, dict) else {}
    for name in (
        "model_name",
        "hook_name",
        "hook_head_index",
        "prepend_bos",
        "context_size",
        "model_from_pretrained_kwargs",
    ):
        if name in config:
            about.setdefault(name, config[name])
    about.setdefault("hook_name", config.get("hook_point"))
    config["metadata"] = about
    if "architecture" not in config or config["architecture"] == "standard":
        function = config.get("activation_fn_str", config.get("activation_fn", "relu"))
        options = config.get("activation_fn_kwargs")
        config["architecture"] = "topk" if function == "topk" else "standard"
        if isinstance(options, dict) and "k" in options:
            config.setdefault("k", options["k"])
    normalise = config.get("normalize_activations")
    if isinstance(normalise, (bool, type(None))):  # before version 6 it was a truth, which was folded too
        config["normalize_activations"] = "none"
    elif normalise not in _NORMALISATIONS:
        raise ValueError(f"it normalises activations by {opening(normalise)}, which is not known")
    return config


def _sae(config: Config, tensors: Tensors) -> SAE:
    architecture = config["architecture"]
    transcodes = architecture in _TRANSCODERS
    if "scaling_factor" in tensors and config.get("finetuning_scaling_factor"):
        tensors["W_dec"] = tensors["W_dec"] * tensors["scaling_factor"][:, None]
    options: dict[str, Any] = {"W_enc": tensors["W_enc"], "W_dec": tensors["W_dec"], "b_dec": tensors["b_dec"]}
    if architecture == "gated":
        options |= {
            "activation": "gated",
            "b_enc": tensors["b_mag"],
            "gate": torch.stack([tensors["b_gate"], tensors["r_mag"]]),
        }
    elif architecture in _AS_JUMPRELU:
        threshold = tensors["threshold"] if "threshold" in tensors else tensors["log_threshold"].exp()
        options |= {"activation": "jumprelu", "b_enc": tensors["b_enc"], "threshold": threshold}
    elif architecture == "topk":
        k = config["k"]
        if not isinstance(k, (int, float)) or k != int(k):
            raise ValueError(f"its k is {opening(k)}")
        options |= {"activation": "topk", "b_enc": tensors["b_enc"], "k": int(k)}
        if config.get("rescale_acts_by_decoder_norm"):
            # latents in units of what they add: as if decoder rows had norm 1
            norms = tensors["W_dec"].norm(dim=1)
            options |= {
                "W_enc": tensors["W_enc"] * norms,
                "b_enc": tensors["b_enc"] * norms,
                "W_dec": tensors["W_dec"] / norms[:, None],
            }
    elif architecture in ("standard", "transcoder", "skip_transcoder"):
        options |= {"activation": "relu", "b_enc": tensors["b_enc"]}
    else:
        raise ValueError(f"its architecture is {opening(architecture)}, which is not known here")
    if "W_skip" in tensors:
        options["W_skip"] = tensors["W_skip"]
    about = config["metadata"]
    site, output_site, layer = _place(about, transcodes)
    return SAE(
        **options,
        subtracts_b_dec=bool(config.get("apply_b_dec_to_input", not transcodes)) and not transcodes,
        normalisation=_NORMALISATIONS[config["normalize_activations"]],
        site=site,
        output_site=output_site,
        layer=layer,
        model=str(about.get("model_name") or ""),
        metadata=about,
    )


def _place(about: Config, transcodes: bool) -> tuple[str, str, int | None]:
    """Return site, output site and layer."""
    if (ours := own_place(about.pop(PLACE, None))) is not None:
        return ours
    site, layer = place_of(str(about.get("hook_name"))) or ("residual", None)
    if not transcodes:
        return site, site, layer
    return site, (place_of(str(about.get("hook_name_out"))) or ("mlp_out", layer))[0], layer
