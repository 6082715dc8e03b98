"""The colours of the views on a light ground, as js/src/core/drawing/colour.ts makes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scope_widgets._colours import SIGNED_LIGHT, along, magnitude

Colours = npt.NDArray[np.uint8]


#: magnitude, uint8 [256, 3]: 0 is the ground
MAGNITUDE: Colours = magnitude(np.full(3, 255.0), dark=False).round().astype(np.uint8)
#: signed, uint8 [257, 3]: blue, the ground, red
SIGNED: Colours = along(SIGNED_LIGHT, 257).round().astype(np.uint8)
#: what is above 0 and below, of bars and lines
POSITIVE, NEGATIVE = "#b2182b", "#2166ac"
#: what was not run
NOT_RUN = np.array([236, 236, 236], np.uint8)


def coloured(values: npt.NDArray[Any], low: float, high: float, colours: Colours) -> Colours:
    """Return the colours of values, uint8 [..., 3], clipped to the ends; those of NaN mean nothing."""
    share = (np.nan_to_num(values, posinf=0, neginf=0) - low) / ((high - low) or 1)
    found: Colours = colours[(np.clip(share, 0, 1) * (len(colours) - 1)).round().astype(int)]
    return found
