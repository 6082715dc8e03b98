"""The files of autoencoders: configurations in JSON, tensors in safetensors or NumPy archives."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from scope_widgets._files import replacing, write_text
from scope_widgets._untrusted import npy_array, opening, parse_json, read_bytes, read_text, reading

#: bytes of a configuration
_LONGEST = 10_000_000
#: weights are hardly smaller when they are compressed: an archive that says so lies
_MOST_COMPRESSED = 4


def write_files(config: Path, about: dict[str, Any], weights: Path, tensors: dict[str, Tensor | None]) -> None:
    """Write a configuration and the tensors that there are, which say in their header which one they belong to."""
    text = json.dumps(about, indent=2)
    kept = {name: one.detach().cpu().clone().contiguous() for name, one in tensors.items() if one is not None}
    weights.parent.mkdir(parents=True, exist_ok=True)
    with replacing(weights) as new:
        save_file(kept, str(new), {config.name: hashlib.sha256(text.encode()).hexdigest()})
    write_text(config, text)


def check_together(config: Path, weights: Path) -> None:
    """Raise ValueError where tensors say that they belong to another configuration."""
    digest = header_of(weights).get(config.name)
    if digest is not None and digest != hashlib.sha256(read_bytes(config)).hexdigest():
        raise ValueError(
            f"The weights in {str(config.parent)!r} were saved with another {config.name}: saving was interrupted, or "
            "the file was edited. Save the SAE again."
        )


def read_config(path: Path, library: str) -> dict[str, Any]:
    """Return a configuration; raise ValueError where it is none."""
    with reading(f"{str(path)!r} is not a configuration of {library}"):
        config = parse_json(read_text(path, _LONGEST), finite=False)
        if not isinstance(config, dict):
            raise ValueError(f"it is no object but {opening(config)}")
        return config


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file, in float32; raise ValueError where it is none."""
    with reading(f"{str(path)!r} is not the weights of an SAE"), safe_open(str(path), "pt") as file:
        return {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - it is no mapping


def read_archive(path: Path) -> dict[str, Tensor]:
    """Return the arrays of an .npz file, in float32; raise ValueError where it is none."""
    with reading(f"{str(path)!r} is not the weights of an SAE"), zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        if sum(part.file_size for part in parts) > _MOST_COMPRESSED * path.stat().st_size:
            raise ValueError("it says that it holds more than it can")
        arrays = {part.filename.removesuffix(".npy"): npy_array(archive.read(part)) for part in parts}
        return {name: torch.from_numpy(one).float() for name, one in arrays.items()}


def names_of(path: Path) -> set[str]:
    """Return the names of a file's tensors; none where it is not safetensors."""
    try:
        with safe_open(str(path), "pt") as file:
            return set(file.keys())
    except Exception:  # it is read again where its format is asked for, and then said
        return set()


def header_of(path: Path) -> dict[str, str]:
    """Return what stands in the header of a file of tensors beside them."""
    with safe_open(str(path), "pt") as file:
        return file.metadata() or {}
