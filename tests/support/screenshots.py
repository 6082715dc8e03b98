"""Screenshots compared with stored ones: small copies of them, to a tolerance.

A copy has a pixel for each block of `BLOCK` x `BLOCK` pixels. Another rasteriser of fonts moves and greys text by less
than a block shows; a panel that is missing, empty or elsewhere changes many blocks by much.
"""

from __future__ import annotations

import os
import struct
import zlib
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import numpy as np

STORED = Path(__file__).parents[1] / "browser" / "screenshots"
#: an environment variable: the present screenshots are the stored ones from now on
ACCEPT = "ACCEPT_SCREENSHOTS"
BLOCK = 4
#: a block differs where a channel does by more than this, of 255
STEP = 20
#: share of blocks that may differ from all blocks around the same place
TOLERANCE = 0.04
#: a block has ink where it differs by more than this from the background
INK = 10
#: blocks that may have ink in one picture alone, with none in the other within two blocks
LOST = 40
#: share by which width or height may differ
STRETCH = 0.04


def check(page: Any, path: Path) -> None:
    """Compare a screenshot with the stored one of its name, or store it."""
    small, stored = shrunk(pixels(page, path.read_bytes())), STORED / path.name
    if os.environ.get(ACCEPT) == "1":
        stored.parent.mkdir(exist_ok=True)
        stored.write_bytes(png(small))
        return
    what_to_do = f"Look at {path}; if it is right, run its test with {ACCEPT}=1 and commit {stored.name}."
    assert stored.exists(), f"There is no stored screenshot {stored.name}. {what_to_do}"
    reason = compared(read_png(stored), small)
    assert not reason, f"{path.name} is not as stored: {reason}. {what_to_do}"


def compared(before: Any, now: Any) -> str:
    """Return what makes two pictures different, or nothing where they are the same but for fonts."""
    sizes = np.array([before.shape[:2], now.shape[:2]])
    if (abs(sizes[0] - sizes[1]) > np.maximum(2, STRETCH * sizes[0])).any():
        was, is_ = (f"{width * BLOCK} x {height * BLOCK}" for height, width in sizes)
        return f"it has {is_} pixels and had {was}"
    height, width = sizes.min(0)
    before, now = (picture[:height, :width].astype(int) for picture in (before, now))
    share = max(_moved(before, now), _moved(now, before))
    lost, new = _lost(before, now), _lost(now, before)
    if share > TOLERANCE:
        return f"{share:.1%} of its blocks differ, and {TOLERANCE:.0%} may"
    if max(lost, new) > LOST:
        return f"{lost} blocks are empty that were not, {new} are not that were, and {LOST} may"
    return ""


def _moved(one: Any, other: Any) -> float:
    """Return the share of blocks that are unlike the same block and its neighbours in the other picture."""
    return float((np.min([np.abs(one - near).max(-1) for near in _around(other, 1)], 0) > STEP).mean())


def _lost(one: Any, other: Any) -> int:
    """Return how many blocks have ink and none near by in the other picture."""
    ink, still = (np.abs(picture - _background(picture)).max(-1) > INK for picture in (one, other))
    return int((ink & ~np.any(_around(still, 2), 0)).sum())


def _background(picture: Any) -> Any:
    colours, counts = np.unique(picture.reshape(-1, 3), axis=0, return_counts=True)
    return colours[counts.argmax()]


def _around(picture: Any, reach: int) -> list[Any]:
    """Return the picture moved by up to `reach` blocks in every direction."""
    height, width = picture.shape[:2]
    padded = np.pad(picture, [(reach, reach), (reach, reach), *[(0, 0)] * (picture.ndim - 2)], mode="edge")
    moves = range(2 * reach + 1)
    return [padded[y : y + height, x : x + width] for y in moves for x in moves]


def shrunk(picture: Any, block: int = BLOCK) -> Any:
    """Return the means of blocks, `[row, column, channel]`; what is left over at the edges is cut off."""
    height, width = (size // block for size in picture.shape[:2])
    blocks = picture[: height * block, : width * block].reshape(height, block, width, block, -1)
    return blocks.mean((1, 3)).round().astype(np.uint8)


def png(picture: Any) -> bytes:
    """Return an RGB picture `[row, column, 3]` of bytes as a PNG file; each pixel is stored less its left neighbour."""
    height, width = picture.shape[:2]
    steps = np.diff(picture.astype(int), axis=1, prepend=0).astype(np.uint8).reshape(height, -1)
    rows = np.hstack([np.ones((height, 1), np.uint8), steps]).tobytes()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def read_png(path: Path) -> Any:
    """Return the pixels of a file that `png` has written."""
    data, at, packed = path.read_bytes(), 8, b""
    width = height = 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + size]
        if kind == b"IHDR":
            width, height = struct.unpack(">II", body[:8])
        packed += body if kind == b"IDAT" else b""
        at += size + 12
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, -1)
    assert (rows[:, 0] == 1).all(), f"{path} was not written by this module."
    return np.cumsum(rows[:, 1:].reshape(height, width, 3), axis=1, dtype=np.uint8)


def pixels(page: Any, picture: bytes) -> Any:
    """Return the pixels `[row, column, 3]` of any picture, read by a browser."""
    width, height, encoded = page.evaluate(
        """async (picture) => {
          const image = await createImageBitmap(await (await fetch("data:image/png;base64," + picture)).blob());
          const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
          context.drawImage(image, 0, 0);
          const { data } = context.getImageData(0, 0, image.width, image.height);
          let text = "";
          for (let i = 0; i < data.length; i += 32768) text += String.fromCharCode(...data.subarray(i, i + 32768));
          return [image.width, image.height, btoa(text)];
        }""",
        b64encode(picture).decode(),
    )
    return np.frombuffer(b64decode(encoded), np.uint8).reshape(height, width, 4)[..., :3]
