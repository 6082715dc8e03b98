"""Files of a header and named tensors: safetensors with JSON, plain JSON, NumPy archives. Never pickle."""

from __future__ import annotations

import hashlib
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

from scope_widgets._files import replacing, write_text
from scope_widgets._json_fields import from_json_numbers, to_json_numbers

Header = dict[str, Any]
Tensors = dict[str, Tensor]

_DAMAGE = (OSError, KeyError, TypeError, ValueError, AttributeError, RuntimeError, SafetensorError, zipfile.BadZipFile)
_HEADER = "trace.json"
#: as earlier versions named the tensors of a folder, without a digest
_FORMER_TENSORS = "tensors.safetensors"


@contextmanager
def one_error(what: str) -> Iterator[None]:
    """Raise one ValueError, that begins with `what`, for whatever a reader raises on damaged input."""
    try:
        yield
    except _DAMAGE as error:
        raise ValueError(f"{what} ({type(error).__name__}: {error}).") from error


def write_folder(folder: Path, header: Header, tensors: Tensors) -> None:
    """Write a folder of safetensors and JSON; it is made where it is missing.

    The header names its tensors by their digest and is written last: until then the folder holds what it held before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / "tensors.part"
    try:
        # clone: safetensors refuses tensors that share memory, as views of one projection do
        save_file({name: value.clone().contiguous() for name, value in tensors.items()}, beside)
        digest = _digest(beside)
        with replacing(_tensors(folder, digest)) as new:
            beside.replace(new)
    finally:
        beside.unlink(missing_ok=True)
    write_text(folder / _HEADER, json.dumps({**header, "digest": digest}))
    for former in folder.glob("tensors*.safetensors"):
        if former != _tensors(folder, digest):
            former.unlink()


def read_folder(folder: Path) -> tuple[Header, Tensors]:
    """Return what `write_folder` wrote; raise ValueError where the tensors are not those of the header."""
    header = json.loads((folder / _HEADER).read_text(encoding="utf-8"))
    digest = header.pop("digest", None)
    if digest is None:
        return header, load_file(folder / _FORMER_TENSORS)
    if not (isinstance(digest, str) and digest.isalnum()):
        raise ValueError("its header has no digest of its tensors")
    path = _tensors(folder, digest)
    if _digest(path) != digest:
        raise ValueError("its tensors are not those that the header was written with")
    return header, load_file(path)


def _tensors(folder: Path, digest: str) -> Path:
    return folder / f"tensors-{digest[:16]}.safetensors"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    with replacing(path) as new, new.open("wb") as file:
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
