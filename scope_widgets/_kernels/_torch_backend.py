"""The kernels by torch alone: this module stands for the package where its compiled modules cannot be."""

from __future__ import annotations

from ._autoencoder import Rows, above_scored, add_latent_gradients, strongest, strongest_scored
from ._codes import rows_by_latent, top_rows
from ._means import visible_keys
from ._neighbours import nearest
from ._torch_display import pack_triangle, thumbnails, top_keys
from ._torch_statistics import (
    cell_means,
    entropy_per_query,
    head_statistics,
    head_statistics_from_qk,
    repetition_statistics,
)

__all__ = [
    "COMPILED",
    "Rows",
    "above_scored",
    "add_latent_gradients",
    "cell_means",
    "entropy_per_query",
    "head_statistics",
    "head_statistics_from_qk",
    "nearest",
    "pack_triangle",
    "repetition_statistics",
    "rows_by_latent",
    "strongest",
    "strongest_scored",
    "thumbnails",
    "top_keys",
    "top_rows",
    "visible_keys",
]

#: whether the compiled modules are there
COMPILED = False
