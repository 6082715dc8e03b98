"""Plane pictures of the same points at several layers, turned so that the eye can follow each point."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def align_layers(points: npt.ArrayLike) -> Floats:
    """Turn and mirror the picture of each layer onto that of the layer before (orthogonal Procrustes analysis).

    Each layer is centred and scaled to a mean square distance of 1 from its centre. Then, from the second layer on, the
    rotation or reflection `R` is taken that brings it nearest to the aligned layer before: ``R = U Vᵀ``, of the
    singular value decomposition ``U S Vᵀ`` of ``Xᵀ Y``. Distances within a layer keep their proportions; places,
    sizes and directions say nothing between layers.

    Parameters
    ----------
    points : array [layer, n, d]
        The same `n` points at each layer; finite.

    Returns
    -------
    ndarray of float64 [layer, n, d]

    Raises
    ------
    ValueError
        When `points` has another number of axes, or holds what is not finite.

    Notes
    -----
    Schönemann 1966, "A generalized solution of the orthogonal Procrustes problem".

    Examples
    --------
    >>> import numpy as np
    >>> from scope_widgets import geometry
    >>> square = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 1.0], [0.0, 1.0]])
    >>> turned = square @ np.array([[0.0, 1.0], [-1.0, 0.0]]) + 5
    >>> first, second = geometry.align_layers([square, turned])
    >>> bool(np.allclose(first, second))
    True
    """
    given: Any = np.asarray(points, np.float64)
    if given.ndim != 3:
        raise ValueError(f"Points of several layers are an array [layer, n, d], not of shape {list(given.shape)}.")
    if not np.isfinite(given).all():
        raise ValueError("Points are to be finite: take out those that are NaN or infinite at any layer.")
    centred = given - given.mean(1, keepdims=True)
    size = np.sqrt((centred**2).sum(2).mean(1))[:, None, None]
    found: Floats = centred / np.where(size > 0, size, 1.0)
    for layer in range(1, len(found)):
        left, _, right = np.linalg.svd(found[layer].T @ found[layer - 1])
        found[layer] = found[layer] @ (left @ right)
    return found
