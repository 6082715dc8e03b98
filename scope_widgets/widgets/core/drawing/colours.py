"""The colours of the views on a light ground, as js/src/core/drawing/colour.ts makes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Colours = npt.NDArray[np.uint8]


def _anchors(text: str) -> npt.NDArray[np.float64]:
    return np.array([[int(one[at : at + 2], 16) for at in (0, 2, 4)] for one in text.split()], float)


def _along(anchors: npt.NDArray[np.float64], n: int) -> npt.NDArray[np.float64]:
    at = np.linspace(0, len(anchors) - 1, n)
    return np.stack([np.interp(at, range(len(anchors)), channel) for channel in anchors.T], -1)


#: viridis from its light end to its dark one (van der Walt and Smith, CC0)
_VIRIDIS = _anchors(
    "fde725 d8e219 addc30 84d44b 5ec962 3fbc73 28ae80 1fa088 21918c 26828e 2c728e 33638d 3b528b 424086 472d7b 48186a "
    "440154"
)
_FADE = np.minimum(1, np.linspace(0, 1, 256) * 4)[:, None]

#: magnitude, uint8 [256, 3]: 0 is the ground
MAGNITUDE: Colours = (255 + (_along(_VIRIDIS, 256) - 255) * _FADE).round().astype(np.uint8)
#: signed, uint8 [257, 3]: blue, the ground, red
SIGNED: Colours = (
    _along(_anchors("15396b 2166ac 4393c3 92c5de d1e5f0 ffffff fddbc7 f4a582 d6604d b2182b 6d0d1c"), 257).round()
).astype(np.uint8)
#: what is above 0 and below, of bars and lines
POSITIVE, NEGATIVE = "#b2182b", "#2166ac"
#: what was not run
NOT_RUN = np.array([236, 236, 236], np.uint8)


def coloured(values: npt.NDArray[Any], low: float, high: float, colours: Colours) -> Colours:
    """Return the colours of values, uint8 [..., 3], clipped to the ends; those of NaN mean nothing."""
    share = (np.nan_to_num(values, posinf=0, neginf=0) - low) / ((high - low) or 1)
    found: Colours = colours[(np.clip(share, 0, 1) * (len(colours) - 1)).round().astype(int)]
    return found
