"""How well a picture in the plane keeps what it is a picture of, as sentences."""

from __future__ import annotations

from typing import Any

import numpy as np

from scope_widgets.widgets.figures.captions import number

#: methods by the names that functions take, as they are written
NAMES = {"pca": "PCA", "umap": "UMAP", "tsne": "t-SNE", "t-sne": "t-SNE"}


def fidelity(n_layers: int, method: str, kept: Any, neighbours: int | None, explained: Any, aligned: bool) -> list[str]:
    """Return a sentence or two of each layer.

    Raises
    ------
    ValueError
        When a share is not between 0 and 1, or there is not one a layer.
    """
    shares = _shares(kept, (n_layers,), "kept=")
    variances = _shares(explained, (n_layers, 2), "explained=")
    return [
        " ".join(
            filter(
                None,
                [
                    _variance(method, variances, layer),
                    _neighbours(shares, neighbours, layer),
                    "Layers are centred, of one size, and turned onto the layer before." if aligned else "",
                ],
            )
        )
        for layer in range(n_layers)
    ]


def _variance(method: str, variances: Any, layer: int) -> str:
    said = f"{method}: " if method else "Projection: "
    if variances is None:
        return f"{method}." if method else ""
    return f"{said}the two axes hold {percent(float(variances[layer].sum()))} of the variance."


def _neighbours(shares: Any, neighbours: int | None, layer: int) -> str:
    if shares is None:
        return "How well neighbours are kept was not measured: points that are near here need not be near."
    of = f"{neighbours} nearest neighbours" if neighbours else "nearest neighbours"
    return f"Of a point's {of}, {percent(float(shares[layer]))} are among its nearest here."


def _shares(given: Any, shape: tuple[int, ...], name: str) -> Any:
    if given is None:
        return None
    found = np.asarray(given, np.float64)
    if found.size == int(np.prod(shape[1:])):
        found = np.broadcast_to(found.reshape(shape[1:]), shape)
    if found.shape != shape or not ((found >= 0) & (found <= 1)).all():
        raise ValueError(f"{name} takes shares from 0 to 1, an array {list(shape)} or one for all layers.")
    return found


def percent(share: float) -> str:
    """Return a share in percent, three digits of it."""
    return f"{number(100 * share)} %"
