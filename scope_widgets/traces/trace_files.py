"""Files of a header and named tensors: safetensors with JSON, plain JSON, NumPy archives. Never pickle."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from scope_widgets._json_fields import from_json_numbers, to_json_numbers

Header = dict[str, Any]
Tensors = dict[str, Tensor]

_DAMAGE = (OSError, KeyError, TypeError, ValueError, AttributeError, RuntimeError, SafetensorError, zipfile.BadZipFile)
_TENSORS, _HEADER = "tensors.safetensors", "trace.json"


@contextmanager
def one_error(what: str) -> Iterator[None]:
    """Raise one ValueError, that begins with `what`, for whatever a reader raises on damaged input."""
    try:
        yield
    except _DAMAGE as error:
        raise ValueError(f"{what} ({type(error).__name__}: {error}).") from error


def write_folder(folder: Path, header: Header, tensors: Tensors) -> None:
    """Write a folder of safetensors and JSON; it is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    # clone: safetensors refuses tensors that share memory, as views of one projection do
    save_file({name: value.clone().contiguous() for name, value in tensors.items()}, folder / _TENSORS)
    (folder / _HEADER).write_text(json.dumps(header), encoding="utf-8")


def read_folder(folder: Path) -> tuple[Header, Tensors]:
    """Return what `write_folder` wrote."""
    return json.loads((folder / _HEADER).read_text(encoding="utf-8")), load_file(folder / _TENSORS)


def to_json(header: Header, tensors: Tensors) -> str:
    """Return JSON: NaN as null, infinities as words."""
    entries = {
        name: {"dtype": _dtype(value), "shape": list(value.shape), "values": _to_numbers(value)}
        for name, value in tensors.items()
    }
    return json.dumps({**header, "tensors": entries}, allow_nan=False)


def from_json(text: str) -> tuple[Header, Tensors]:
    """Return what `to_json` wrote."""
    header = json.loads(text)
    return header, {name: _from_numbers(entry) for name, entry in header.pop("tensors").items()}


def write_npz(path: Path, header: Header, tensors: Tensors) -> None:
    """Write a NumPy archive; bfloat16, which NumPy lacks, is stored as float32 and restored."""
    arrays = {name: _numpy(value) for name, value in tensors.items()}
    dtypes = {name: _dtype(value) for name, value in tensors.items()}
    text = json.dumps({**header, "dtypes": dtypes}).encode()
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays, header=np.frombuffer(text, dtype=np.uint8))


def read_npz(path: Path) -> tuple[Header, Tensors]:
    """Return what `write_npz` wrote."""
    with np.load(path, allow_pickle=False) as archive:
        header = json.loads(archive["header"].tobytes())
        dtypes = header.pop("dtypes")
        return header, {
            name: torch.from_numpy(archive[name]).to(getattr(torch, dtype)) for name, dtype in dtypes.items()
        }


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _numpy(value: Tensor) -> np.ndarray[Any, Any]:
    return (value.float() if value.dtype == torch.bfloat16 else value).numpy()


def _to_numbers(value: Tensor) -> list[Any]:
    return to_json_numbers(_numpy(value).ravel().tolist())


def _from_numbers(entry: dict[str, Any]) -> Tensor:
    flat = torch.tensor(from_json_numbers(entry["values"]), dtype=getattr(torch, entry["dtype"]))
    return flat.reshape(entry["shape"])
