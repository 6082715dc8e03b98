"""A PNG from an array, for the pictures that stand where no widget can run."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt


def png(pixels: npt.NDArray[Any]) -> bytes:
    """Encode a picture.

    Parameters
    ----------
    pixels : uint8 array [row, column] (grey), [row, column, 3] (RGB) or [row, column, 4] (RGBA)

    Returns
    -------
    bytes
        A PNG file.

    Raises
    ------
    ValueError
        When the array has another type or shape.
    """
    channels = {2: 1, 3: pixels.shape[-1]}.get(pixels.ndim, 0)
    colour_type = {1: 0, 3: 2, 4: 6}.get(channels)
    if pixels.dtype != np.uint8 or colour_type is None or pixels.size == 0:
        raise ValueError(
            "A picture is a uint8 array [row, column], [row, column, 3] or [row, column, 4], "
            f"not {pixels.dtype} {list(pixels.shape)}."
        )
    height, width = pixels.shape[:2]
    lines = np.zeros((height, 1 + pixels[0].size), np.uint8)  # each line starts with filter 0: none
    lines[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(lines.tobytes()))
        + _chunk(b"IEND", b"")
    )


def width_of(file: bytes) -> int:
    """Return how many pixels a PNG file is wide."""
    return int.from_bytes(file[16:20], "big")


def with_resolution(file: bytes, dpi: float) -> bytes:
    """Return a PNG file that says how many pixels an inch it has, so that other programs know its size."""
    after_header = 8 + 25
    metre = round(dpi / 0.0254)
    return file[:after_header] + _chunk(b"pHYs", struct.pack(">IIB", metre, metre, 1)) + file[after_header:]


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
