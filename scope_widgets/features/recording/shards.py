"""Shards of a recording: safetensors files, each whole, bound to the manifest by its digest, read as a memory map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from scope_widgets._files import replacing, sha256_of

#: columns of the table of rows; "sample_id" is that of the sample in the recording, "split" 1 for validation
COLUMNS = {"sample_id": torch.int64, "token_pos": torch.int32, "token_id": torch.int32, "split": torch.uint8}
#: columns of the table of samples
SAMPLE_COLUMNS = {"document": torch.int64, "start": torch.int64, "text_bytes": torch.int32}


def write_shard(path: Path, tensors: dict[str, Tensor]) -> str:
    """Write a shard whole or not at all, and return its digest."""
    with replacing(path) as new:
        save_file({name: value.contiguous() for name, value in tensors.items()}, str(new))
        return sha256_of(new)


def read_shard(path: Path, names: list[str], rows: int, samples: int) -> dict[str, Tensor]:
    """Return tensors of a shard, which are mapped, not read, until they are used.

    Raises
    ------
    ValueError
        Where one has another length than the rows and samples that the manifest says, or a column another dtype.
    """
    with safe_open(str(path), "pt") as file:
        found = {name: file.get_tensor(name) for name in names}
    for name, one in found.items():
        dtype = (COLUMNS | SAMPLE_COLUMNS).get(name, one.dtype)
        length = samples if name in SAMPLE_COLUMNS else one.numel() if name == "text" else rows
        if one.dtype != dtype or one.shape[:1] != (length,) or one.ndim != 1 + ("." in name):
            raise ValueError(f"{name} is {one.dtype} {list(one.shape)}, and {length:,} were recorded")
    return found


def name_of(number: int) -> str:
    """Return the name of a shard."""
    return f"{number:06d}.safetensors"


def texts_as_bytes(texts: list[str]) -> dict[str, Tensor]:
    """Return texts as the two tensors that hold them in a shard."""
    encoded = [text.encode() for text in texts]
    joined = np.frombuffer(b"".join(encoded) or b"\0", dtype=np.uint8).copy()
    return {
        "text": torch.from_numpy(joined),
        "text_bytes": torch.tensor([len(one) for one in encoded], dtype=torch.int32),
    }


def texts_of_bytes(tensors: dict[str, Tensor]) -> list[str]:
    """Return the texts that `texts_as_bytes` wrote."""
    joined, ends = tensors["text"].numpy().tobytes(), np.cumsum(tensors["text_bytes"].numpy().astype(np.int64))
    starts: Any = [0, *ends[:-1].tolist()]
    return [joined[start:end].decode("utf-8", "replace") for start, end in zip(starts, ends.tolist(), strict=True)]
