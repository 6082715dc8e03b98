"""Compiled kernels (sources in cython_ext/): they know arrays, nothing else."""

from ._display import pack_triangle, thumbnails
from ._ranking import top_keys
from ._statistics import entropy_per_query, head_statistics
from ._statistics_from_qk import head_statistics_from_qk

__all__ = [
    "entropy_per_query",
    "head_statistics",
    "head_statistics_from_qk",
    "pack_triangle",
    "thumbnails",
    "top_keys",
]
