"""`train_several`: sparse autoencoders of several sizes and sparsities, over one reading of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scope_widgets._files import check_folder
from scope_widgets._partial_result import result_or_interrupt
from scope_widgets._seeds import seed_of
from scope_widgets._types import Array
from scope_widgets._untrusted import opening
from scope_widgets.features.recording.recording import Recording
from scope_widgets.features.sae.sae import SAE
from scope_widgets.features.training.processes import Processes
from scope_widgets.features.training.settings import Architecture
from scope_widgets.features.training.trained import settings_of, trained
from scope_widgets.features.training.training_rows import TrainingRows, as_one


def train_several(
    source: Recording | Sequence[Recording] | Array | Tensor,
    *,
    layer: int | None = None,
    target: str | Recording | Array | Tensor | None = None,
    skip: bool = False,
    d_sae: int | Sequence[int] | None = None,
    k: int | Sequence[int] = (16, 32, 64),
    architecture: Architecture | Sequence[Architecture] = "batch_topk",
    steps: int | None = None,
    batch: int = 2048,
    learning_rate: float | None = None,
    seed: int | None = 0,
    folder: str | Path | None = None,
    progress: bool = True,
    device: str | torch.device | None = None,
) -> list[SAE]:
    """Train an autoencoder for each pair of a size and a sparsity; each batch is read once for all of them.

    Each is what `features.train` with the same arguments returns, bit for bit. All are in memory at once.

    Parameters
    ----------
    source : Recording, or several that are read as one; or array or tensor [row, d]
    layer, target, skip, steps, batch, learning_rate, seed, progress, device
        As `features.train` takes them, for all.
    d_sae : int, sequence of int, optional
        Latents, one or several numbers; 8 times the width by default.
    k : int or sequence of int, default (16, 32, 64)
        Latents that fire in a row.
    architecture : str or sequence of str, default "batch_topk"
        As `features.train` knows them.
    folder : str or Path, optional
        Each has its own in it, named "<architecture>-<d_sae>-<k>", with checkpoint and result. Those that were stopped
        go on from there.

    Returns
    -------
    list of SAE
        By architecture, then size, then sparsity, as they are given.

    Raises
    ------
    ValueError, TypeError
        As of `features.train`, and where one is asked for twice.

    Examples
    --------
    >>> saes = features.train_several(torch.randn(256, 8), d_sae=(16, 32), k=(2, 4), steps=5)
    >>> [(sae.d_sae, sae.history["step"][-1]) for sae in saes]
    [(16, 5.0), (16, 5.0), (32, 5.0), (32, 5.0)]
    """
    rows = TrainingRows(as_one(source), layer, seed := seed_of(seed), target, device)
    architectures: Sequence[Architecture] = _several("architecture", architecture)
    sizes, sparsities = _several("d_sae", d_sae), _several("k", k)
    settings = [
        settings_of(rows, size, fire, kind, steps, batch, learning_rate, seed, skip)
        for kind, size, fire in product(architectures, sizes, sparsities)
    ]
    names = [folder_name(one.architecture, one.d_sae, one.k) for one in settings]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{', '.join(twice)}: asked for twice. Give each of d_sae=, k= and architecture= once.")
    base = None if folder is None else check_folder(folder)
    folders = [None if base is None else check_folder(base / name) for name in names]
    saes, note = trained(settings, rows, folders, progress, Processes())
    return result_or_interrupt(saes, note)


def _several(name: str, given: Any) -> Sequence[Any]:
    """Return one as a sequence, and a sequence as it is; raise ValueError where it is empty."""
    several: Sequence[Any] = given if isinstance(given, (list, tuple, range)) else [given]
    if not several:
        raise ValueError(f"{name}= is one or several; got {opening(given)}.")
    return several


def folder_name(architecture: str, d_sae: int, k: int) -> str:
    """Return the name of the folder of one of them.

    Examples
    --------
    >>> folder_name("topk", 4096, 32)
    'topk-4096-32'
    """
    return f"{architecture}-{d_sae}-{k}"
