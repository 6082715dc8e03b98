"""Screenshots compared with stored ones: small copies of them, to a tolerance.

A copy has a pixel for each block of `BLOCK` x `BLOCK` pixels. Another rasteriser of fonts moves and greys text by less
than a block shows; a panel that is missing, empty or elsewhere changes many blocks by much.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

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


def matches(path: Path) -> bool:
    """Return whether a screenshot is to be accepted, or is like the stored one of its name."""
    stored = STORED / path.name
    if os.environ.get(ACCEPT) == "1" or not stored.exists():
        return True
    return not compared(np.asarray(Image.open(stored)), shrunk(path.read_bytes()))


def check(path: Path) -> None:
    """Compare a screenshot with the stored one of its name, or store it."""
    small, stored = shrunk(path.read_bytes()), STORED / path.name
    if os.environ.get(ACCEPT) == "1":
        stored.parent.mkdir(exist_ok=True)
        Image.fromarray(small).save(stored, optimize=True)
        return
    what_to_do = f"Look at {path}; if it is right, run its test with {ACCEPT}=1 and commit {stored.name}."
    assert stored.exists(), f"There is no stored screenshot {stored.name}. {what_to_do}"
    reason = compared(np.asarray(Image.open(stored)), small)
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
    before, now = (np.abs(picture - _background(picture)).max(-1) for picture in (one, other))
    still = now > INK / 2  # a tint of just INK may be rounded to less
    return int(((before > INK) & ~np.any(_around(still, 2), 0)).sum())


def _background(picture: Any) -> Any:
    """Return the colour that most blocks have."""
    colours, counts = np.unique(picture @ [1 << 16, 1 << 8, 1], return_counts=True)
    return [colours[counts.argmax()] >> shift & 255 for shift in (16, 8, 0)]


def _around(picture: Any, reach: int) -> list[Any]:
    """Return the picture moved by up to `reach` blocks in every direction."""
    height, width = picture.shape[:2]
    padded = np.pad(picture, [(reach, reach), (reach, reach), *[(0, 0)] * (picture.ndim - 2)], mode="edge")
    moves = range(2 * reach + 1)
    return [padded[y : y + height, x : x + width] for y in moves for x in moves]


def shrunk(png: bytes, block: int = BLOCK) -> Any:
    """Return the means of blocks of a picture, `[row, column, channel]`; what is left over at the edges is cut off."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    width, height = (size // block * block for size in picture.size)
    return np.asarray(picture.crop((0, 0, width, height)).reduce(block))
