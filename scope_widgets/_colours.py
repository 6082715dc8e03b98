"""The colours of the views for what draws in Python, as js/src/core/drawing/colour.ts has them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def _anchors(text: str) -> Floats:
    return np.array([[int(one[at : at + 2], 16) for at in (0, 2, 4)] for one in text.split()], float)


def along(anchors: Floats, n: int) -> Floats:
    """Return `n` colours, float64 [n, 3] of 0 to 255, at equal distances along anchors."""
    at = np.linspace(0, len(anchors) - 1, n)
    return np.stack([np.interp(at, range(len(anchors)), channel) for channel in anchors.T], -1)


#: viridis from its dark end to its light one (van der Walt and Smith, CC0)
VIRIDIS = _anchors(
    "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1fa088 28ae80 3fbc73 5ec962 84d44b addc30 d8e219 "
    "fde725"
)
#: blue, the ground, red
SIGNED_LIGHT = _anchors("15396b 2166ac 4393c3 92c5de d1e5f0 ffffff fddbc7 f4a582 d6604d b2182b 6d0d1c")
SIGNED_DARK = _anchors("c6e2ff 7dbcff 3f92e6 265f9e 1a3a5f 111317 5f251d 9e3d2b e6664a ff9e80 ffddd0")


def magnitude(ground: Floats, dark: bool, n: int = 256) -> Floats:
    """Return viridis, float64 [n, 3], whose beginning fades in from the ground so that zero melts into it."""
    colours = along(VIRIDIS if dark else VIRIDIS[::-1], n)
    share = np.minimum(1, np.linspace(0, 1, n) * (8 if dark else 4))[:, None]
    mixed: Floats = ground + (colours - ground) * share
    return mixed


#: letter of a class of heads -> its hue on a light and on a dark ground; all can be told apart under deuteranopia
CLASS_HUES = {
    "N": ("#c46b00", "#e69f00"),
    "-": ("#a93b00", "#d55e00"),
    "S": ("#2381b9", "#00c5ff"),
    "I": ("#0a874e", "#009e73"),
    "D": ("#878962", "#f1e441"),
    "P": ("#00589f", "#388ae0"),
    "B": ("#af538f", "#ff838b"),
    "F": ("#6b4d00", "#decab4"),
    "U": ("#62666d", "#9aa0a8"),
    "C": ("#62666d", "#9aa0a8"),
}
