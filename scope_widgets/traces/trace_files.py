"""Files of a header and named tensors: safetensors with JSON, plain JSON, NumPy archives. Never pickle."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from scope_widgets._files import replacing, sha256_of, write_text
from scope_widgets._json_fields import to_json_numbers
from scope_widgets._untrusted import DTYPES, array, check_name, json_text, npy_array, opening, parse_json, read_text

Header = dict[str, Any]
Tensors = dict[str, Tensor]

_HEADER = "trace.json"
#: as earlier versions named the tensors of a folder, without a digest
_FORMER_TENSORS = "tensors.safetensors"


def write_folder(folder: Path, header: Header, tensors: Tensors) -> None:
    """Write a folder of safetensors and JSON; it is made where it is missing.

    The header names its tensors by their digest and is written last: until then the folder holds what it held before.
    """
    check_name(folder).mkdir(parents=True, exist_ok=True)
    beside = folder / "tensors.part"
    try:
        # clone: safetensors refuses tensors that share memory, as views of one projection do
        save_file({name: value.clone().contiguous() for name, value in tensors.items()}, beside)
        digest = sha256_of(beside)
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
    header = _header(read_text(folder / _HEADER))
    digest = header.pop("digest", None)
    if digest is None:
        return header, load_file(folder / _FORMER_TENSORS)
    if not (isinstance(digest, str) and digest.isalnum()):
        raise ValueError("its header has no digest of its tensors")
    path = _tensors(folder, digest)
    if sha256_of(path) != digest:
        raise ValueError("its tensors are not those that the header was written with")
    return header, load_file(path)


def _tensors(folder: Path, digest: str) -> Path:
    return folder / f"tensors-{digest[:16]}.safetensors"


def to_json(header: Header, tensors: Tensors) -> str:
    """Return JSON: NaN as null, infinities as words; raise ValueError where it is larger than what is read."""
    entries = {
        name: {"dtype": _dtype(value), "shape": list(value.shape), "values": _to_numbers(value)}
        for name, value in tensors.items()
    }
    return json_text({**header, "tensors": entries}, "This trace", "Use save() or to_npz(), which have no such limit.")


def from_json(text: str) -> tuple[Header, Tensors]:
    """Return what `to_json` wrote."""
    header = _header(text)
    entries = header.pop("tensors")
    if not isinstance(entries, dict):
        raise ValueError("its tensors are no object")
    return header, {name: _from_numbers(entry) for name, entry in entries.items()}


def write_npz(path: Path, header: Header, tensors: Tensors) -> None:
    """Write a NumPy archive; bfloat16, which NumPy lacks, is stored as float32 and restored."""
    arrays: dict[str, Any] = {name: _numpy(value) for name, value in tensors.items()}
    dtypes = {name: _dtype(value) for name, value in tensors.items()}
    text = json.dumps({**header, "dtypes": dtypes}).encode()
    with replacing(path) as new, new.open("wb") as file:
        np.savez(file, **arrays, header=np.frombuffer(text, dtype=np.uint8))


def read_npz(path: Path) -> tuple[Header, Tensors]:
    """Return what `write_npz` wrote; raise ValueError for an archive that would be larger than its file."""
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        if any(part.compress_type != zipfile.ZIP_STORED for part in parts):
            raise ValueError("it is compressed, which to_npz() never does: save it with numpy.savez again")
        if sum(part.file_size for part in parts) > path.stat().st_size:
            raise ValueError("it says that it holds more than it does")
        arrays = {part.filename.removesuffix(".npy"): npy_array(archive.read(part)) for part in parts}
    header = _header(arrays.pop("header").tobytes())
    dtypes = header.pop("dtypes")
    if not isinstance(dtypes, dict) or set(dtypes) != set(arrays):
        raise ValueError("its header names other arrays than it holds")
    return header, {name: torch.from_numpy(arrays[name]).to(_torch_dtype(dtype)) for name, dtype in dtypes.items()}


def _header(text: str | bytes) -> Header:
    header = parse_json(text, finite=False)
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    return header


def _torch_dtype(name: Any) -> torch.dtype:
    if name not in (*DTYPES, "bfloat16"):
        raise ValueError(f"a tensor is of {opening(name)}; known are {', '.join(DTYPES)} and bfloat16")
    found: torch.dtype = getattr(torch, name)
    return found


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _numpy(value: Tensor) -> np.ndarray[Any, Any]:
    return (value.float() if value.dtype == torch.bfloat16 else value).numpy()


def _to_numbers(value: Tensor) -> list[Any]:
    return to_json_numbers(_numpy(value).ravel().tolist())


def _from_numbers(entry: dict[str, Any]) -> Tensor:
    dtype = _torch_dtype(entry["dtype"])
    return torch.from_numpy(array({**entry, "dtype": "float32"} if dtype == torch.bfloat16 else entry)).to(dtype)
