"""What the heads of every layer make of given residual streams."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from scope_widgets.models.microscope import Microscope

#: vectors in one forward
_BATCH = 256


def project_qkv(
    scope: Microscope, vectors: Tensor, sites: tuple[str, ...], layers: Sequence[int] | None = None
) -> dict[str, list[Tensor]]:
    """Let each block read the same residual streams, as those of one-token prompts.

    At the first position, where rotary embedding does not rotate.

    Parameters
    ----------
    vectors : [vector, d_model]
    sites : of "q", "k", "v"
    layers : sequence of int, optional
        Blocks; by default all.

    Returns
    -------
    dict of str to list of Tensor [vector, head, d_head], one a layer
        Heads of k and v are the key-value heads.

    Raises
    ------
    UnsupportedModelError
        For a family whose attention cannot be looked into.
    """
    blocks = range(scope.n_layers) if layers is None else layers
    kept: dict[tuple[str, int], list[Tensor]] = {(site, at): [] for site in sites for at in blocks}

    def keep(place: tuple[str, int]) -> Callable[[Tensor], Tensor]:
        def edit(value: Tensor) -> Tensor:
            kept[place].append(value[:, 0].detach())
            return value

        return edit

    def put(some: Tensor) -> Callable[[Tensor], Tensor]:
        return lambda stream: some[:, None].to(stream)

    keepers = {place: keep(place) for place in kept}
    for some in torch.split(vectors, _BATCH):
        ids = torch.zeros(len(some), 1, dtype=torch.long)
        scope.logits(ids, {("residual", layer): put(some) for layer in blocks} | keepers)
    return {site: [torch.cat(kept[site, layer]) for layer in blocks] for site in sites}
