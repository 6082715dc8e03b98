"""Patches of rank one in PEFT's layout: a folder with adapter_config.json and adapter_model.safetensors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from scope_widgets._files import replacing
from scope_widgets._json_fields import decode
from scope_widgets._untrusted import check_name, parse_json, read_text, reading

_CONFIG, _WEIGHTS, _PICKLE = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"
_PREFIX, _A, _B = "base_model.model.", ".lora_A.weight", ".lora_B.weight"
#: key of our own notes in the header of the safetensors file, which other packages ignore
_NOTES = "scope_widgets"
#: settings that say what is added
_SETTINGS: dict[str, Any] = {"peft_type": str, "r": int, "lora_alpha": float}
#: settings of a LoRA under which it is more than a matrix plus a column times a row
_MORE = (
    "use_dora",
    "use_qalora",
    "lora_bias",
    "modules_to_save",
    "rank_pattern",
    "alpha_pattern",
    "alora_invocation_tokens",
    "arrow_config",
    "layer_replication",
    "target_parameters",
)


@dataclass(frozen=True)
class Adapter:
    """What an adapter adds to one matrix of input `x`: `output_vector (input_vector . x)`.

    Attributes
    ----------
    target : str
        Name of the module in the model.
    output_vector : Tensor [output]
    input_vector : Tensor [input]
    notes : dict
        What `write` was given beside the adapter; empty for an adapter that another package made.
    """

    target: str
    output_vector: Tensor
    input_vector: Tensor
    notes: dict[str, Any]


def write(folder: Path, adapter: Adapter, *, transposed: bool, base_model: str) -> Path:
    """Write an adapter and return its folder; `transposed` says that the module holds its weights as `[input, output]`.

    Raises
    ------
    ImportError
        Without peft.
    """
    from safetensors.torch import save_file

    try:
        from peft import LoraConfig
    except ImportError:
        raise ImportError('To export a patch takes peft: pip install "scope-widgets[peft]".') from None
    config = LoraConfig(
        r=1,
        lora_alpha=1,
        target_modules=[adapter.target],
        fan_in_fan_out=transposed,
        base_model_name_or_path=base_model,
        task_type="CAUSAL_LM",
        inference_mode=True,
    )
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".") as beside, replacing(folder / _CONFIG) as new:
        config.save_pretrained(beside)
        (Path(beside) / _CONFIG).replace(new)
    key = _PREFIX + adapter.target
    tensors = {key + _A: adapter.input_vector[None], key + _B: adapter.output_vector[:, None]}
    header = {"format": "pt"} | ({_NOTES: json.dumps(adapter.notes)} if adapter.notes else {})
    with replacing(folder / _WEIGHTS) as new:
        save_file({name: value.cpu().contiguous() for name, value in tensors.items()}, str(new), header)
    return folder


def read(folder: Path) -> Adapter:
    """Return an adapter of rank one on one module, whichever package made it.

    Raises
    ------
    FileNotFoundError
        When there is no adapter in the folder.
    ValueError
        When it is pickled, damaged, or more than a matrix plus a column times a row.
    """
    if not (check_name(folder) / _CONFIG).is_file():
        raise FileNotFoundError(f"There is no adapter in {str(folder)!r}: expected {_CONFIG} and {_WEIGHTS} there.")
    if not (folder / _WEIGHTS).is_file():
        if (folder / _PICKLE).exists():
            raise ValueError(
                f"{str(folder / _PICKLE)!r} is pickled, and to read a pickle may run whatever code is in it. Load it "
                f"where you trust it and save it again with PEFT, which writes {_WEIGHTS}."
            )
        raise FileNotFoundError(f"There is no {_WEIGHTS} beside the {_CONFIG} in {str(folder)!r}.")
    scaling = _scaling(folder)
    tensors, notes = _tensors(folder)
    target, row, column = _single(tensors, folder)
    return Adapter(target, scaling * column[:, 0], row[0], notes)


def _scaling(folder: Path) -> float:
    """Check the settings and return what the product is multiplied by."""
    path = folder / _CONFIG
    text = read_text(path)
    with reading(f"{str(path)!r} is damaged, or the settings of something else than a LoRA"):
        config = decode(parse_json(text), dict[str, Any], "it")
        kind, rank, alpha = (decode(config[name], hint, name) for name, hint in _SETTINGS.items())
    if kind != "LORA" or rank != 1:
        raise ValueError(f"{str(folder)!r} holds a {kind} of rank {rank}; a patch here is a LORA of rank 1.")
    more = [name for name in _MORE if config.get(name)] + ["bias"] * (config.get("bias", "none") != "none")
    if more:
        raise ValueError(
            f"{str(path)!r} sets {', '.join(more)}, so the adapter is more than a LoRA of rank 1 on one matrix. Use "
            "peft.PeftModel.from_pretrained and merge_and_unload for it."
        )
    return float(alpha)  # over the rank, or its root


def _tensors(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import safe_open

    with (
        reading(f"{str(folder / _WEIGHTS)!r} is damaged, or no safetensors file"),
        safe_open(str(folder / _WEIGHTS), "pt") as file,
    ):
        notes = decode(parse_json((file.metadata() or {}).get(_NOTES, "{}")), dict[str, Any], "what we noted in it")
        return {name: file.get_tensor(name) for name in file.keys()}, notes  # noqa: SIM118


def _single(tensors: dict[str, Tensor], folder: Path) -> tuple[str, Tensor, Tensor]:
    modules = {name.removesuffix(end) for name in tensors for end in (_A, _B) if name.endswith(end)}
    if len(modules) > 1:
        raise ValueError(
            f"The adapter in {str(folder)!r} is on {len(modules)} modules ({', '.join(sorted(modules)[:3])}, ...); a "
            "patch is on one. Use peft.PeftModel.from_pretrained for it."
        )
    key = next(iter(modules), "")
    if set(tensors) != {key + _A, key + _B} or not key.startswith(_PREFIX):
        raise ValueError(
            f"The adapter in {str(folder)!r} is damaged: expected two tensors, {_PREFIX}<module>{_A} and {_B}, got "
            f"{', '.join(sorted(tensors)[:4]) or 'none'}."
        )
    row, column = tensors[key + _A], tensors[key + _B]
    if row.ndim != 2 or column.ndim != 2 or row.shape[0] != 1 or column.shape[1] != 1:
        raise ValueError(
            f"The adapter in {str(folder)!r} has tensors of shape {list(row.shape)} and {list(column.shape)}; of rank "
            "1 they are [1, input] and [output, 1]."
        )
    if not all(one.is_floating_point() and bool(one.isfinite().all()) for one in (row, column)):
        raise ValueError(f"The adapter in {str(folder)!r} has numbers that are not finite.")
    row, column = (one.to(torch.promote_types(one.dtype, torch.float32)) for one in (row, column))
    return key.removeprefix(_PREFIX), row, column
