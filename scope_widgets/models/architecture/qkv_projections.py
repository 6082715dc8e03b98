"""How attention reads the residual stream: the norm before it and the matrices that make queries, keys and values.

Adding a family means adding its spellings here and in `anatomy.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.architecture.model_parts import ModelParts

#: the norm before attention, looked up in a block; OLMo 2 has none
_NORMS = (
    "ln_1", "input_layernorm", "self_attn_layer_norm", "attention_layernorm", "operator_norm", "norm_1", "attn_norm",
    "ln_attn", "temporal_pre_norm", "norm", "layernorm1", "attention.LayerNorm", "attention.self_attn_layer_norm",
    "attention.ln", "layer.0.layer_norm",
)  # fmt: skip
#: matrices of one each of queries, keys and values, in the order in which a forward calls them
_SEPARATE = (("q_proj", "k_proj", "v_proj"), ("Wq", "Wk", "Wv"), ("query", "key", "value"), ("q", "k", "v"))
#: matrices of all three, and how their columns lie: all queries, then all keys, then all values; or head by head
_FUSED = {"c_attn": "in turn", "qkv_proj": "in turn", "Wqkv": "in turn", "query_key_value": "by head"}
QKV_SITES = ("q", "k", "v")


@dataclass(frozen=True)
class Projection:
    """One matrix, and which of its columns make queries, keys and values.

    Attributes
    ----------
    module : torch.nn.Module
    columns : dict of site to Tensor of int [head, d_head]
        Those of "q", "k", "v" that it makes; key-value heads for the latter two.
    """

    module: nn.Module
    columns: dict[str, Tensor]

    @cached_property
    def matrix(self) -> Tensor:
        """The weights, `[d_model, column]`."""
        return matrix(self.module)

    @property
    def bias(self) -> Tensor | None:
        """The biases `[column]`."""
        return getattr(self.module, "bias", None)


@dataclass(frozen=True)
class QKVProjections:
    """How the attention of a block reads the residual stream: the norm before it, and its projections."""

    norm: nn.Module | None
    projections: tuple[Projection, ...]

    def normed(self, stream: Tensor) -> Tensor:
        """Return the stream after the norm, not by a call of the module: its hooks are not run."""
        return stream if self.norm is None else type(self.norm).forward(self.norm, stream)


def qkv_projections(scope: ModelParts, layer: int) -> QKVProjections:
    """Return how the attention of a layer reads the residual stream.

    Raises
    ------
    UnsupportedModelError
        Where its matrices are not known, or not plain numbers (quantised).
    """
    anatomy = scope.anatomy
    block = anatomy.blocks[layer]
    if block.attention is None:
        raise UnsupportedModelError(f"What heads read is not known. {anatomy.missing('q', layer)}")
    children = dict(block.attention.named_children())
    d_head, counts = anatomy.d_head, (anatomy.n_heads, anatomy.n_kv_heads, anatomy.n_kv_heads)
    separate = next((names for names in _SEPARATE if all(name in children for name in names)), None)
    if separate is not None:
        widths = [matrix(children[name]).shape[1] for name in separate]
        sizes = [width // count for width, count in zip(widths, counts, strict=True)]
        if [size * count for size, count in zip(sizes, counts, strict=True)] != widths or sizes[0] != sizes[1]:
            raise _not_heads(block.attention, widths, counts)
        found = [
            Projection(children[name], {site: _columns(0, count, size, size)})
            for name, site, count, size in zip(separate, QKV_SITES, counts, sizes, strict=True)
        ]
        return QKVProjections(_norm(block.block), tuple(found))
    name = next((name for name in _FUSED if name in children), None)
    if name is None:
        raise UnsupportedModelError(
            f"{type(block.attention).__name__} has none of the matrices {', '.join([*_SEPARATE[0], *_FUSED])} that "
            "make queries, keys and values, so what each head reads is not known."
        )
    if matrix(children[name]).shape[1] != sum(counts) * d_head:
        raise _not_heads(block.attention, [matrix(children[name]).shape[1]], counts)
    if _FUSED[name] == "by head":
        columns = {site: _columns(at * d_head, counts[0], d_head, 3 * d_head) for at, site in enumerate(QKV_SITES)}
    else:
        starts = (0, counts[0] * d_head, (counts[0] + counts[1]) * d_head)
        columns = {
            site: _columns(start, count, d_head, d_head)
            for site, start, count in zip(QKV_SITES, starts, counts, strict=True)
        }
    return QKVProjections(_norm(block.block), (Projection(children[name], columns),))


def matrix(module: nn.Module) -> Tensor:
    """Return the weights of a Linear or Conv1D as `[input, output]`."""
    weight: Tensor | None = getattr(module, "weight", None)
    if weight is None or not weight.is_floating_point() or weight.ndim != 2 or weight.is_meta or any(module.children()):
        raise UnsupportedModelError(
            f"The weights of {type(module).__name__} are no plain matrix (quantised, offloaded, or with an adapter on "
            "it), so that single heads cannot be run: load the model whole, without quantisation, and merge adapters."
        )
    return weight if type(module).__name__ == "Conv1D" else weight.T


def _not_heads(attention: nn.Module, widths: list[int], counts: tuple[int, int, int]) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"{type(attention).__name__} makes queries, keys and values with matrices of {', '.join(map(str, widths))} "
        f"columns, which are not those of {', '.join(map(str, counts))} heads: what each head reads is not known."
    )


def _norm(block: nn.Module) -> nn.Module | None:
    for name in _NORMS:
        try:
            return block.get_submodule(name)
        except AttributeError:
            continue
    return None


def _columns(start: int, count: int, width: int, step: int) -> Tensor:
    """Return columns `[head, width]`, those of each head beginning `step` after the last head's."""
    return start + step * torch.arange(count)[:, None] + torch.arange(width)
