"""`train`: a sparse autoencoder of recorded activations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scope_widgets._files import check_folder
from scope_widgets._partial_result import result_or_interrupt
from scope_widgets._seeds import seed_of
from scope_widgets._types import Array
from scope_widgets.features.recording.recording import Recording
from scope_widgets.features.sae.sae import SAE
from scope_widgets.features.training.processes import Processes
from scope_widgets.features.training.settings import Architecture
from scope_widgets.features.training.trained import settings_of, trained
from scope_widgets.features.training.training_rows import TrainingRows, as_one


def train(
    source: Recording | Sequence[Recording] | Array | Tensor,
    *,
    layer: int | None = None,
    target: str | Recording | Array | Tensor | None = None,
    skip: bool = False,
    d_sae: int | None = None,
    k: int = 32,
    architecture: Architecture = "batch_topk",
    steps: int | None = None,
    batch: int = 2048,
    learning_rate: float | None = None,
    seed: int | None = 0,
    folder: str | Path | None = None,
    progress: bool = True,
    device: str | torch.device | None = None,
    fabric: Any = None,
) -> SAE:
    """Train a sparse autoencoder, or with `target` a transcoder, which makes another place's rows of its input.

    Rows whose norm is more than ten times the median are left out: they are of a few tokens, the first of a text above
    all, that heads attend to for want of another, and all others would be noise beside them.
    Inputs are scaled so that their mean squared norm is their width, and the scale is folded into the result, which
    takes activations as they are. Decoder rows have norm 1 after each step; the output begins with the geometric
    median; latents that fire no more learn what the others leave over, and in the first half of the steps begin anew at
    it. Of a transcoder inputs and targets have a scale each, the output's bias, which begins with the median of the
    targets, is not taken off the input, and all that is said of a reconstruction is of the targets.

    `k` latents fire in a row:

    - "batch_topk": on average, the strongest of a batch, and afterwards those above one threshold, which is set so that
      as many fire on some rows of training;
    - "topk": at most;
    - "matryoshka": as "batch_topk", and the first 1/16, 1/8, 1/4 and 1/2 of the latents reconstruct by themselves too;
    - "jumprelu": begins as "batch_topk"; after two fifths of the steps each latent learns a threshold of its own;
    - "gated": about `k`, as the weight of its penalty follows the number that fire. A transcoder is returned as the
      "jumprelu" that computes the same, for files know no gated ones.

    Parameters
    ----------
    source : Recording, or several that are read as one; or array or tensor [row, d]
    layer : int, optional
        Of a recording of several; of an array the one that the result is said to be of.
    target : str, Recording, or array or tensor [row, d_out], optional
        What the output is to be, a row for each of `source`: the name of the recording's own target
        (`features.record(..., site="mlp_in", target="mlp_out")`), a recording of the same texts, or, of an array, an
        array, for which the result says "mlp_in" and "mlp_out".
    skip : bool, default False
        Of a transcoder: learn a linear path beside the latents too.
    d_sae : int, optional
        Latents; 8 times the width by default.
    k : int, default 32
        Latents that fire in a row.
    architecture : "batch_topk", "topk", "matryoshka", "jumprelu" or "gated", default "batch_topk"
    steps : int, optional
        By default so many that all rows come once, and 4,000 at least.
    batch : int, default 2048
        Rows of a step.
    learning_rate : float, optional
        Of Adam; by default 0.002 for 4,096 latents or fewer, and less by the square root for more. It rises over the
        first steps and falls to 0 over the last fifth.
    seed : int or None, default 0
        Of first weights and the order of rows.
    folder : str or Path, optional
        Where checkpoints go every 1,000 steps and at the end, and the result (SAELens's layout) then. A run that was
        stopped goes on from there, to the same weights bit for bit at the same number of threads; one that has ended is
        returned.
    progress : bool, default True
        Show a bar with loss, L0, variance explained and dead latents.
    device : str or torch.device, optional
        Where it is trained, such as "cuda", and the result is; by default where the rows are.
    fabric : lightning_fabric.Fabric, optional
        Launched: its processes train together, each on its part of every batch, to the weights of one process but for
        rounding. The first one writes to `folder`, and each returns the result. See docs/clusters.md.

    Returns
    -------
    SAE
        Its `history` has the measures of the steps, and `validation_explained`, `validation_l0` on rows of other texts.
        The run that is open (`with tracking.run(folder):`), where one is, has the same, and the settings.
        Its latents are as long as what they add: decoder rows have norm 1.

    Raises
    ------
    ValueError
        For arguments that are none, rows that are not finite, or a folder with a checkpoint of another run (of other
        rows or arguments), or with an SAE
        that has none.
    TypeError
        For a source that is no recording or array, or a `fabric` that is none.

    References
    ----------
    Dunefsky et al. 2024 (transcoders, arXiv 2406.11944); Paulo et al. 2025 (skip, arXiv 2501.18823); Gao et al. 2024
    (TopK, arXiv 2406.04093); Bussmann et al. 2024 (BatchTopK, arXiv 2412.06410) and 2025 (Matryoshka,
    arXiv 2503.17547); Rajamanoharan et al. 2024 (gated, arXiv 2404.16014; JumpReLU, arXiv 2407.14435); Sun et al. 2024
    (massive rows, arXiv 2402.17762).

    Examples
    --------
    >>> sae = features.train(torch.randn(256, 8), d_sae=16, k=2, steps=5)
    >>> sae
    SAE(16 latents of width 8, jumprelu)
    >>> rec = features.record(scope, ["Mary gave John a book"] * 9, layers=2, site="mlp_in", target="mlp_out",
    ...                       folder=folder)
    >>> features.train(rec, target="mlp_out", d_sae=16, k=2, steps=5)
    SAE(16 latents of width 128, jumprelu, mlp_in to mlp_out of layer 2 of demo)
    """
    processes = Processes(fabric)
    rows = TrainingRows(as_one(source), layer, seed := seed_of(seed), target, _device(device, fabric))
    settings = settings_of(rows, d_sae, k, architecture, steps, batch, learning_rate, seed, skip)
    processes.check_batch(settings.batch)
    folder = None if folder is None else check_folder(folder)
    (sae,), note = trained([settings], rows, [folder], progress, processes)
    return result_or_interrupt(sae, note)


def _device(device: str | torch.device | None, fabric: Any) -> Any:
    return device if device is not None or fabric is None else fabric.device
