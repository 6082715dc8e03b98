"""Path patching: what one component tells another directly, and what comes of it.

Wang et al. 2022, appendix B: the sender's output is taken from the source run, every head after it is frozen to the
base run, MLPs and norms are computed anew; what then arrives at the receivers is put into the base run, which goes on
freely from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from scope_widgets.experiments.metric import Metric
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.execution.activation_edits import Edits, HookPoint
from scope_widgets.models.execution.cached_run import CachedRun

#: (layer, head), or ("mlp", layer)
Sender = tuple[Any, int]
#: (layer, head, "q" | "k" | "v"), or ("mlp", layer)
Receiver = tuple[Any, ...]


def patch_paths(
    base: CachedRun,
    source: CachedRun | Tensor,
    layer: int,
    heads: Sequence[int] | None,
    receivers: Sequence[Receiver] | None,
    at: Tensor | None,
    metric: Metric,
    *,
    n_layers: int,
    group: int,
    prompts: Tensor | None = None,
    batch: int = 1024,
    on_rows: Callable[[int], None] = lambda n: None,
) -> Tensor:
    """Patch the paths from senders of one layer to the receivers.

    Parameters
    ----------
    base, source : CachedRun
        Of prompts of the same lengths, both with z; with mlp_out where MLPs send or receive, with q where it receives.
        A source may also be a tensor `[sender, prompt, d_head]`: what the z of each head becomes at `at`.
    layer : int
        Of the senders.
    heads : sequence of int, or None
        Each a sender by itself, also where it is there several times; None: the MLP of the layer.
    receivers : sequence of Receiver, or None
        Patched together; None: the logits. Those that the layer cannot reach are left out.
    at : Tensor of int [prompt], or None
        The position at which the sender is patched; None for all.
    metric : Metric
    n_layers, group : int
        Blocks of the model, and query heads to a key-value head.
    prompts : Tensor of int [prompt], optional
        Those that are run; by default all of them.
    batch : int, default 1024
        Positions in one forward at the most.
    on_rows : callable
        Told how many rows (sender and prompt) are done.

    Returns
    -------
    Tensor [sender, prompt], float64, of the prompts that are run

    Raises
    ------
    UnsupportedModelError
        For a model with cross-attention.
    """
    if base.anatomy.n_source:
        raise UnsupportedModelError(
            "Path patching holds every head after the sender as it was, and those of cross-attention cannot be held: "
            "what they read of the stream would count as direct. Patch activations (patching.activations) instead."
        )
    reached = None if receivers is None else [one for one in receivers if reaches(layer, heads is None, one)]
    device = base.token_ids.device
    everyone = torch.arange(len(base), device=device)
    prompts = everyone if prompts is None else prompts.to(device)
    n = 1 if heads is None else len(heads)
    count = n * len(prompts)
    found = torch.empty(count, dtype=torch.float64)
    unchanged = metric.of(base.logits, everyone).double().cpu()
    width = base.token_ids.shape[1] if at is None else int((base.last - at).max()) + 1
    size = max(1, batch // (width if at is None or reached is not None else 1))
    for part in torch.split(torch.arange(count, device=device), size):
        rows, sender = prompts[part % len(prompts)], part // len(prompts)
        head = None if heads is None else torch.as_tensor(list(heads), device=device)[sender]
        positions = base.suffix(rows, 0) if at is None else at[rows, None]
        arrived: dict[HookPoint, Tensor] = {}
        sent = source[sender, rows][:, None, None] if isinstance(source, Tensor) else source
        edits = _frozen(base, sent, layer, head, rows, positions, n_layers)
        for place in receiver_hooks(reached or []):
            edits[place] = _recorder(arrived, place, edits.get(place))
        if reached is None:
            measured = metric.again(base, edits, rows=rows, positions=positions, layer=layer)
            if at is not None:  # with all heads frozen nothing leaves the position
                measured = torch.where((at == base.last)[rows].cpu(), measured, unchanged[rows.cpu()])
        elif not reached:
            measured = unchanged[rows.cpu()]
        else:
            last = max(at_layer for _, at_layer in receiver_hooks(reached))
            base.again(edits, rows=rows, positions=positions, layer=layer, end=last)
            measured = _delivered(base, reached, arrived, rows, positions, at, group, metric)
        found[part.cpu()] = measured
        on_rows(len(part))
    return found.reshape(n, len(prompts))


def reaches(layer: int, from_mlp: bool, receiver: Receiver) -> bool:
    """Say whether what a layer writes can arrive at a receiver."""
    if receiver[0] == "mlp":
        return bool(receiver[1] > layer or (receiver[1] == layer and not from_mlp))
    return bool(receiver[0] > layer)


def receiver_hooks(receivers: Sequence[Receiver]) -> set[HookPoint]:
    """Return where the receivers' inputs show: q, k, v of a layer; an MLP's input shows in its output."""
    return {("mlp_out", one[1]) if one[0] == "mlp" else (one[2], one[0]) for one in receivers}


def _frozen(
    base: CachedRun,
    source: CachedRun | Tensor,
    layer: int,
    head: Tensor | None,
    rows: Tensor,
    positions: Tensor,
    n_layers: int,
) -> dict[HookPoint, Callable[[Tensor], Tensor]]:
    """Return the edits of the first run: the sender from the source, all heads after it from the base."""

    def of(run: CachedRun, place: HookPoint) -> Tensor:
        return run.values[place[0]][place[1]][rows[:, None], positions]

    def from_base(place: HookPoint) -> Callable[[Tensor], Tensor]:
        return lambda value: of(base, place)

    def send(value: Tensor) -> Tensor:
        theirs = source if isinstance(source, Tensor) else of(source, sender)
        if head is None:
            return theirs
        ours = torch.arange(value.shape[2], device=value.device) == head[:, None]
        return torch.where(ours[:, None, :, None], theirs, of(base, sender))

    sender = ("mlp_out" if head is None else "z", layer)
    edits = {("z", later): from_base(("z", later)) for later in range(layer, n_layers)}
    edits[sender] = send
    return edits


def _recorder(
    arrived: dict[HookPoint, Tensor], place: HookPoint, edit: Callable[[Tensor], Tensor] | None
) -> Callable[[Tensor], Tensor]:
    def listen(value: Tensor) -> Tensor:
        arrived[place] = value if edit is None else edit(value)
        return arrived[place]

    return listen


def _delivered(
    base: CachedRun,
    receivers: Sequence[Receiver],
    arrived: dict[HookPoint, Tensor],
    rows: Tensor,
    sent_at: Tensor,
    at: Tensor | None,
    group: int,
    metric: Metric,
) -> Tensor:
    """Run the base on from the receivers, with what arrived at them, and measure."""
    positions = sent_at if at is None else base.suffix(rows, at[rows])
    at_sender = positions == sent_at if at is None else positions == at[rows, None]

    def whole(place: HookPoint, value: Tensor) -> Tensor:
        ours = base.values[place[0]][place[1]][rows[:, None], positions]
        return torch.where(at_sender.reshape(*at_sender.shape, *(1,) * (value.ndim - 2)), value, ours)

    edits: Edits = {place: _deliver(place, receivers, whole(place, value), group) for place, value in arrived.items()}
    first = min(layer for _, layer in arrived)
    return metric.again(base, edits, rows=rows, positions=positions, layer=first)


def _deliver(
    place: HookPoint, receivers: Sequence[Receiver], arrived: Tensor, group: int
) -> Callable[[Tensor], Tensor]:
    site, layer = place

    def edit(value: Tensor) -> Tensor:
        if site == "mlp_out":
            return arrived
        heads = {one[1] if site == "q" else one[1] // group for one in receivers if one[::2] == (layer, site)}
        ours = torch.zeros(value.shape[2], dtype=torch.bool, device=value.device)
        ours[sorted(heads)] = True
        return torch.where(ours[:, None], arrived, value)

    return edit
