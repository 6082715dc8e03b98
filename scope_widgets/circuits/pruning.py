"""Taking things out of a circuit one after the other, as long as it can spare them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from tqdm.auto import tqdm

Array = np.ndarray[Any, Any]


def thinned(
    included: Array,
    parts: Sequence[Array],
    measure: Callable[[Array], Array],
    spared: Callable[[Array, Array], bool],
    bar: tqdm[Any],
    at_once: int = 32,
) -> tuple[Array, list[int], int, int]:
    """Take parts out in order; each stays out where the circuit could spare it, given all that is out before it.

    Several steps are measured at once, as if each part before would be spared; what was measured after the first that
    is not is thrown away. The result is that of one part after the other.

    Parameters
    ----------
    included : ndarray of bool [edge]
        To begin with.
    parts : sequence of ndarray of int
        The edges of each part.
    measure : callable
        Circuits `[circuit, edge]` -> metric `[circuit, pair]`.
    spared : callable
        Metric `[pair]` before a part was taken out, and after -> bool.
    bar : tqdm
    at_once : int
        Steps measured together at the most; fewer after a part that could not be spared.

    Returns
    -------
    included : ndarray of bool [edge]
    needed : list of int
        The parts that could not be spared.
    done : int
        Number of parts that were tried: all, or up to a Ctrl-C.
    runs : int
        Number of circuits that were measured.
    """
    included, needed, runs, step, width = included.copy(), [], 0, 0, 1
    try:
        before = measure(included[None])[0]
        while step < len(parts):
            ahead = parts[step : step + width]
            circuits = np.repeat(included[None], len(ahead), 0)
            for at, part in enumerate(ahead):
                circuits[at:, part] = False
            after = measure(circuits)
            runs += len(ahead)
            width = min(2 * width, at_once)
            for at in range(len(ahead)):
                step += 1
                bar.update()
                if not spared(before, after[at]):
                    needed.append(step - 1)
                    width = max(1, at)
                    break
                included, before = circuits[at], after[at]
    except KeyboardInterrupt:
        tqdm.write(f"Interrupted after {step} of {len(parts)}: what was not tried is left in.")
    return included, needed, step, runs
