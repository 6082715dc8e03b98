"""What one head makes of many residual streams, by its weights, without a forward for each."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from scope_widgets.experiments.qk_ov_circuits.project_qkv import project_qkv
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.architecture.qkv_projections import qkv_projections
from scope_widgets.models.architecture.unembedding import agree
from scope_widgets.models.guards.locks import held
from scope_widgets.models.guards.restore_on_exit import recording_gradients
from scope_widgets.models.microscope import Microscope


def head_reads(scope: Microscope, layer: int, head: int, site: str, tried: Tensor) -> Callable[[Tensor], Tensor]:
    """Return a function of streams `[..., d_model]` to the queries, keys or values `[..., d_head]` of one head.

    The norm before attention, the projection, the norm on queries or keys where a family has one, and a factor where it
    has one: at the first position, where rotary embedding does not rotate. Held to a forward.

    Parameters
    ----------
    scope : Microscope
    layer, head : int
    site : "q", "k" or "v"
    tried : Tensor [vector, d_model]
        A few streams, which go through a forward too.

    Raises
    ------
    UnsupportedModelError
        Where the forward makes something else of them.
    """
    expected = project_qkv(scope, tried, (site,), [layer])[site][0]
    found = qkv_projections(scope, layer)
    projection = next(one for one in found.projections if site in one.columns)
    columns = projection.columns[site]
    row = head // (scope.n_heads // len(columns))
    attention = scope.anatomy.blocks[layer].attention
    assert attention is not None
    norm = next((one for name, one in attention.named_children() if name[0] == site and "norm" in name), None)
    # OLMo 2's norm is one for all heads
    together = norm is not None and getattr(norm, "weight", columns[row]).numel() == columns.numel()
    read = columns.flatten() if together else columns[row]
    weights, bias = projection.matrix[:, read.to(projection.matrix.device)], projection.bias

    def reads(streams: Tensor) -> Tensor:
        with recording_gradients(False), held(scope.model):
            value = found.normed(streams.to(weights)) @ weights
            if bias is not None:
                value = value + bias[read.to(bias.device)]
            if norm is not None:
                value = type(norm).forward(norm, value)
        return value.reshape(*value.shape[:-1], *columns.shape)[..., row, :] if together else value

    seen, made = expected[:, row].float().cpu(), reads(tried).float().cpu()
    factor = float((seen * made).sum() / made.square().sum().clamp_min(1e-30))  # OPT scales queries, not scores
    if not agree(seen, factor * made, scope.model.dtype):
        raise UnsupportedModelError(
            f"{site} of layer {layer} is not what the projections of this {type(scope.model).__name__} make of the "
            "residual stream: something stands between them that this package does not know."
        )
    return lambda streams: factor * reads(streams)


def check_attends(scope: Microscope, layer: int, site: str) -> None:
    """Raise UnsupportedModelError where a layer has no attention that is seen from here."""
    if not scope.anatomy.has(site, layer):
        raise UnsupportedModelError(scope.anatomy.missing(site, layer))


def check_ungated(scope: Microscope, layer: int, what: str) -> None:
    """Raise UnsupportedModelError where something stands between the heads of a layer and their output matrix."""
    block = scope.anatomy.blocks[layer]
    if block.gated:
        between = _named(block.attention)
        raise UnsupportedModelError(
            f"{what} is a product of values and the output matrix, and in layer {layer} of this "
            f"{type(scope.model).__name__} something stands between them (a gate, or a norm{between}): there is no "
            "such product."
        )


def _named(attention: nn.Module | None) -> str:
    names = [name for name, _ in attention.named_children() if "norm" in name or "gate" in name] if attention else []
    return f"; {', '.join(names)}" if names else ""
