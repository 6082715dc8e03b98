"""What a server sent: known to be small and plain before it is loaded."""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
from typing import Any

import torch
import zstandard
from torch import Tensor

#: bytes of an answer beside its tensors, and of the notes that torch puts around each of them
_REST = 100_000_000
#: lists, dicts and values in an answer, and how deep they may lie in each other
_MOST_PARTS, _MOST_DEPTH = 5_000_000, 100
#: what the pickle in an answer may name: tensors, and nothing that makes something larger of something small
_NAMES = re.compile(
    r"torch\._utils _rebuild_tensor_v2|collections OrderedDict|torch \w+Storage|torch\.storage \w+Storage"
)


def load_answer(data: bytes, most: int, *, compressed: bool) -> Any:
    """Return the plain values and tensors of an answer.

    Parameters
    ----------
    data : bytes
        As `torch.save` writes it.
    most : int
        Bytes that its tensors may have, all together.
    compressed : bool
        Whether it went through zstandard.

    Raises
    ------
    ValueError
        Where it is larger than that, or names anything that is no tensor.
    Exception
        Of the readers, where it is damaged.
    """
    if compressed:
        size = zstandard.get_frame_parameters(data).content_size
        if size > most + _REST and size not in (zstandard.CONTENTSIZE_UNKNOWN, zstandard.CONTENTSIZE_ERROR):
            raise ValueError(f"it says that it has {size:,} bytes, and one answer may have {most:,}")
        with zstandard.ZstdDecompressor().stream_reader(data) as stream:
            data = stream.read(most + _REST + 1)
    if len(data) > most + _REST:
        raise ValueError(f"it has more than {most:,} bytes")
    if data[:4] != b"PK\x03\x04":  # torch reads anything else in its older formats, whatever archive follows
        raise ValueError("it does not begin as what torch.save writes")
    with zipfile.ZipFile(io.BytesIO(data)) as whole:
        check_archive(whole, len(data))
        if min((part.header_offset for part in whole.infolist()), default=0):
            raise ValueError("something stands before its archive, which torch would read in another way")
        names = [name.lower() for name in whole.namelist()]  # torch's reader takes one for the other
        pickled = [name for name in whole.namelist() if name.lower().endswith("data.pkl")]
        if len(pickled) != 1 or len(set(names)) != len(names):
            raise ValueError("it is to hold one data.pkl, and no name twice")
        _check_names(whole.read(pickled[0]))
    found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    check_answer(found, most)
    return found


def check_archive(archive: zipfile.ZipFile, size: int) -> None:
    """Raise ValueError for an archive of which more would come than it has bytes."""
    parts = archive.infolist()
    if any(part.compress_type != zipfile.ZIP_STORED for part in parts) or sum(part.file_size for part in parts) > size:
        raise ValueError("it says that it holds more than it does")


def check_answer(plain: Any, most: int) -> None:
    """Raise ValueError where an answer holds something else than values and tensors, or more than it may."""
    level, parts, size = [plain], 0, 0
    for _ in range(_MOST_DEPTH):
        below: list[Any] = []
        for one in level:
            if isinstance(one, Tensor):
                size += one.numel() * one.element_size()
                if one.layout != torch.strided or one.device.type != "cpu":
                    raise ValueError("it holds a tensor without numbers")
            elif type(one) is dict:
                below += [*one.keys(), *one.values()]
            elif type(one) is list:
                below += one
            elif not isinstance(one, (str, int, float, type(None))):
                raise ValueError(f"it holds a {type(one).__name__}, which no answer does")
            if size > most:
                raise ValueError(f"its tensors have more than the {most:,} bytes that one answer may have")
            if parts + len(below) > _MOST_PARTS:
                raise ValueError(f"its lists and dicts hold more than {_MOST_PARTS:,} values")
        parts += len(below)
        if not below:
            return
        level = below
    raise ValueError(f"its lists lie in each other more than {_MOST_DEPTH} deep")


def _check_names(pickled: bytes) -> None:
    for code, argument, _ in pickletools.genops(pickled):
        if code.name in ("STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4"):
            raise ValueError("it names what no answer holds")
        if code.name == "GLOBAL" and not _NAMES.fullmatch(str(argument)):
            raise ValueError(f"it names {str(argument)[:60]}, which no answer holds")
