"""The two files of an autoencoder's folder: a configuration in JSON, and tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor

from scope_widgets._untrusted import opening, parse_json, read_text, reading

#: bytes of a configuration
_LONGEST = 10_000_000


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


def header_of(path: Path) -> dict[str, str]:
    """Return what stands in the header of a file of tensors beside them."""
    with safe_open(str(path), "pt") as file:
        return file.metadata() or {}
