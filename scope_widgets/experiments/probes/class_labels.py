"""Labels of two classes of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scope_widgets._types import Array
from scope_widgets._untrusted import opening


def two_classes(labels: Sequence[Any], n_texts: int) -> tuple[tuple[str, str], Array]:
    """Return the names of two classes, and which texts are of the second.

    Raises
    ------
    ValueError
        For labels that are not of two kinds, or not one of each text.
    """
    given = [one.item() if isinstance(one, np.generic) else one for one in labels]
    if len(given) != n_texts:
        raise ValueError(f"labels= has one label of each text; got {len(given)} of {n_texts} texts.")
    if bad := [one for one in given if not isinstance(one, (bool, int, str))]:
        raise ValueError(f"labels= are bools, whole numbers or texts; got {opening(bad[0])}.")
    kinds = sorted(set(given), key=lambda one: (isinstance(one, str), one))
    if len(kinds) != 2:
        raise ValueError(
            f"labels= are of two kinds; got {len(kinds)}: {', '.join(map(opening, kinds[:5]))}."
            + (f" Probe one against the others: [one == {opening(kinds[0])} for one in labels]." if kinds[2:] else "")
        )
    return (str(kinds[0]), str(kinds[1])), np.array([one == kinds[1] for one in given])
