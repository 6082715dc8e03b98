"""Adapters of PEFT (LoRA and its kin): the folder that holds one, the model inside of its wrapper, and their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from scope_widgets._untrusted import parse_json, read_text
from scope_widgets.models.architecture.anatomy import UnsupportedModelError, has_encoder
from scope_widgets.models.guards.restore_on_exit import recording_gradients
from scope_widgets.models.input_device import input_device

#: what makes a folder, or a repository on the hub, one of an adapter
CONFIG = "adapter_config.json"


class Adapter(NamedTuple):
    """An adapter that has not been loaded: its base model by name and revision."""

    base: str
    revision: str | None


def find_adapter(source: str | Path, revision: str | None) -> Adapter | None:
    """Return the adapter of a folder or hub id; None where there is none, or a whole model that it lies in.

    Raises
    ------
    ValueError
        Where it does not say what its base model is.
    """
    from transformers.utils.peft_utils import find_adapter_config_file

    path = find_adapter_config_file(str(source), revision=revision)
    if path is None or (Path(source) / "config.json").exists():
        return None
    settings = parse_json(read_text(path), finite=False)
    base = settings.get("base_model_name_or_path") if isinstance(settings, dict) else None
    if not base or not isinstance(base, str):
        raise ValueError(
            f"its {CONFIG} names no base model (base_model_name_or_path): load the base with transformers and the "
            "adapter with peft.PeftModel.from_pretrained, and give the model to Microscope.for_model."
        )
    beside = Path(source) / base
    return Adapter(str(beside) if beside.is_dir() else str(base), settings.get("revision"))


def put_on(model: Any, source: str | Path, name: str, revision: str | None) -> Any:
    """Return a base model with the adapter of a folder or hub id on it, under that name."""
    from peft import PeftModel

    options: dict[str, Any] = {} if revision is None else {"revision": revision}
    return PeftModel.from_pretrained(model, str(source), adapter_name=name.replace(".", "_"), **options).eval()


def without_wrapper(model: Any) -> Any:
    """Return the transformers model inside of a `PeftModel`, whose layers hold the adapter; any other as it is.

    Raises
    ------
    UnsupportedModelError
        Where the wrapper does more than its layers: virtual tokens, scalings of its own.
    """
    if not (hasattr(model, "peft_config") and hasattr(model, "get_base_model")):
        return model
    inside = model.get_base_model()
    config = getattr(model, "active_peft_config", None)
    same = not getattr(config, "is_prompt_learning", False)
    if same and not model.training:
        ids = torch.arange(8, device=input_device(inside))[None]
        inputs = {"input_ids": ids} | ({"decoder_input_ids": ids} if has_encoder(inside) else {})
        with recording_gradients(False):
            wrapped, bare = model(**inputs).logits, inside(**inputs).logits
        same = wrapped.shape == bare.shape and torch.allclose(wrapped.float(), bare.float(), rtol=1e-2, atol=1e-3)
    if not same:
        raise UnsupportedModelError(
            f"The adapter of this {type(model).__name__} ({getattr(config, 'peft_type', 'several')}) is not in the "
            "layers of the model alone, so a trace of those would be another model's. LoRA and what else changes "
            "layers can be traced."
        )
    return inside


def adapter_names(model: nn.Module) -> str:
    """Return the adapters that a model's layers hold as they are now, "one + two", or "one (off)"; "" without."""
    if not getattr(model, "peft_config", None):
        return ""
    for module in model.modules():
        if hasattr(module, "base_layer") and hasattr(module, "merged_adapters"):
            layer: Any = module
            names = " + ".join(dict.fromkeys([*layer.merged_adapters, *layer.active_adapters]))
            return f"{names} (off)" if layer.disable_adapters and not layer.merged_adapters else names
    return ""
