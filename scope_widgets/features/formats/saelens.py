"""SAELens's layout: `cfg.json` and `sae_weights.safetensors`, of its version 6 and of those before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from scope_widgets._files import replacing, write_text
from scope_widgets._untrusted import opening, parse_json, read_text, reading
from scope_widgets.features.formats.hook_names import hook_name, place_of
from scope_widgets.features.sae.sae import SAE, Normalisation

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"

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


def is_saelens(folder: Path) -> bool:
    """Whether a folder holds this layout."""
    return (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file()


def read(folder: Path) -> SAE:
    """Return the SAE of a folder.

    Raises
    ------
    ValueError
        For files that are damaged, or an architecture that is not known.
    """
    with reading(f"{str(folder / CONFIG)!r} is not a configuration of SAELens"):
        config = _normalised(parse_json(read_text(folder / CONFIG, 10_000_000), finite=False))
    with (
        reading(f"{str(folder / WEIGHTS)!r} is not the weights of an SAE"),
        safe_open(str(folder / WEIGHTS), "pt") as file,
    ):
        tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - it is no mapping
    with reading(f"{str(folder)!r} is no SAE that is known"):
        return _sae(config, tensors)


def write(sae: SAE, folder: Path) -> None:
    """Write an SAE so that SAELens reads it, and it is read here as it was."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: getattr(sae, name) for name in ("W_enc", "W_dec", "b_enc", "b_dec", "threshold", "W_skip")}
    if sae.gate is not None:
        del tensors["b_enc"]
        tensors |= {"b_mag": sae.b_enc, "b_gate": sae.gate[0], "r_mag": sae.gate[1]}
    kept = {name: one.detach().cpu().clone().contiguous() for name, one in tensors.items() if one is not None}
    with replacing(folder / WEIGHTS) as new:
        save_file(kept, str(new))
    write_text(folder / CONFIG, json.dumps(_config(sae), indent=2))


def _normalised(given: Any) -> Config:
    """Return a configuration of any version with the names of version 6."""
    if not isinstance(given, dict):
        raise ValueError(f"it is no object but {opening(given)}")
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
    site, layer = place_of(str(about.get("hook_name"))) or ("", None)
    if transcodes:
        options["output_site"] = (place_of(str(about.get("hook_name_out"))) or ("mlp_out", layer))[0]
    return SAE(
        **options,
        subtracts_b_dec=bool(config.get("apply_b_dec_to_input", not transcodes)) and not transcodes,
        normalisation=_NORMALISATIONS[config["normalize_activations"]],
        site=site or "residual",
        layer=layer,
        model=str(about.get("model_name") or ""),
        metadata=about,
    )


def _config(sae: SAE) -> Config:
    architecture = {"relu": "standard", "topk": "topk", "jumprelu": "jumprelu", "gated": "gated"}[sae.activation]
    if sae.is_transcoder:
        skip = "skip_" if sae.W_skip is not None else ""
        architecture = {"standard": f"{skip}transcoder", "jumprelu": f"jumprelu_{skip}transcoder"}[architecture]
    about = {**sae.metadata, "model_name": sae.model}
    if sae.layer is not None:
        about["hook_name"] = hook_name(sae.site, sae.layer)
        if sae.is_transcoder:
            about["hook_name_out"] = hook_name(sae.output_site, sae.layer)
    config = {
        "architecture": architecture,
        "d_in": sae.d_in,
        "d_sae": sae.d_sae,
        "dtype": str(sae.W_enc.dtype).removeprefix("torch."),
        "device": "cpu",
        "apply_b_dec_to_input": sae.subtracts_b_dec,
        "normalize_activations": next(name for name, ours in _NORMALISATIONS.items() if ours == sae.normalisation),
        "reshape_activations": "hook_z" if sae.site == "z" else "none",
        "metadata": about,
    }
    if sae.is_transcoder:
        config["d_out"] = sae.W_dec.shape[1]
    if sae.activation == "topk":
        config |= {"k": sae.k, "rescale_acts_by_decoder_norm": False}
    return config
