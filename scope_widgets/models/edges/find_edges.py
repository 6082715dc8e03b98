"""`graph_of`: which edges a model has, found by runs: whether its parts read and write as edges need it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.architecture.qkv_projections import QKV_SITES, matrix, qkv_projections
from scope_widgets.models.architecture.unembedding import output_matrix
from scope_widgets.models.edges.component_outputs import component_outputs
from scope_widgets.models.edges.edge_ablation import EdgeAblation, put
from scope_widgets.models.edges.graph import Graph
from scope_widgets.models.execution.model_validation import is_tested
from scope_widgets.models.execution.recorder import unwrap
from scope_widgets.models.guards.restore_on_exit import putting_back
from scope_widgets.models.input_device import input_device
from scope_widgets.models.microscope import Microscope, loaded


def graph_of(scope: Microscope) -> Graph:
    """Return the graph of a model; runs of it show what its parts read.

    A block is one node where it has no heads or no MLP, where something writes beside them, or where its attention
    reads the stream by more than queries, keys and values of its heads (a gate, a latent); a warning says so.

    Raises
    ------
    UnsupportedModelError
        Where the residual stream is no sum.
    """
    scope.anatomy.check_sum("A circuit")
    shape = (scope.n_layers, scope.n_heads, scope.anatomy.n_kv_heads)
    if is_tested(scope.model):
        return Graph(*shape, _parallel(scope, range(scope.n_layers)))
    whole = {layer: why for layer in range(scope.n_layers) if (why := _one_node(scope, layer))}
    parts = [layer for layer in range(scope.n_layers) if layer not in whole]
    graph = Graph(*shape, _parallel(scope, parts), tuple(whole))
    try:
        if parts:
            _check_heads(scope, parts)
            _check_reads(scope, graph)
    except Exception as error:  # also nnsight's own, where a matrix is called twice or in another order
        whole |= dict.fromkeys(parts, str(error))
        graph = Graph(*shape, False, tuple(range(scope.n_layers)))
        _check_reads(scope, graph)
    if whole:
        layers = "each layer" if len(whole) == scope.n_layers else f"layer {', '.join(map(str, sorted(whole)))}"
        warnings.warn(
            f"In circuits of {scope.model_id} {layers} is one node, m0 and so on, and its heads have no edges: "
            f"{next(iter(whole.values()))}",
            stacklevel=2,
        )
    return graph


def _one_node(scope: Microscope, layer: int) -> str:
    """Return why a block can be no more than one node, or nothing."""
    block = scope.anatomy.blocks[layer]
    if block.cross_out is not None:
        return (
            f"cross-attention in {type(block.block).__name__} writes to the residual stream beside attention and MLP."
        )
    if block.beside:
        return f"something in {type(block.block).__name__} writes to the residual stream beside attention and MLP."
    for site, part in (("out", block.out), ("mlp_out", block.mlp_out)):
        if part is None:
            return scope.anatomy.missing(site, layer)
    try:
        qkv_projections(scope, layer)
        matrix(output_matrix(scope.anatomy, layer))
    except UnsupportedModelError as error:
        return str(error)
    return ""


def _parallel(scope: Microscope, layers: Sequence[int]) -> bool:
    """Return whether MLPs read nothing of what the attention beside them writes, found by changing what it writes."""
    if not layers:
        return False
    block, mlp_inputs = scope.anatomy.blocks[layers[0]], list[Tensor]()
    inputs = {"input_ids": torch.zeros(1, 1, dtype=torch.long, device=input_device(scope.model))}

    def body() -> bool:
        attention = wrapped.envoy(block.attention_out)
        written = unwrap(attention.output)
        # not the same everywhere, which a LayerNorm would take off
        put(attention, written + len(mlp_inputs) * torch.linspace(-1, 1, written.shape[-1]).to(written))
        mlp_inputs.append(unwrap(wrapped.envoy(block.mlp).input))
        return True

    with loaded(scope).wrapped() as wrapped:
        for _ in range(2):
            wrapped.logits(inputs, body)
    return bool(torch.equal(*mlp_inputs))


def _prompt(scope: Microscope) -> list[int]:
    return [(3 + i) % scope.anatomy.d_vocab for i in range(min(4, scope.anatomy.context))]


def _check_reads(scope: Microscope, graph: Graph) -> None:
    """Raise UnsupportedModelError where a run in which each input is put together of all that is written differs.

    There blocks get nothing but what queries, keys and values are made of, and what the MLP reads.
    """
    clean = component_outputs(scope, [_prompt(scope)], graph.whole)
    whole = EdgeAblation(scope, clean, torch.zeros_like(clean.of), graph).rebuilt()
    off = float((whole - clean.logits).abs().max())
    if not off <= (1e-3 if clean.logits.dtype == torch.float32 else 5e-2) * float(clean.logits.abs().max()):
        raise UnsupportedModelError(
            f"Putting the inputs of {type(scope.model).__name__} together of what is written before them changes its "
            f"logits by {off:.3g}: its attention or its MLPs read the residual stream in another way too (such as a "
            "gate), so there are no edges to cut."
        )


def _check_heads(scope: Microscope, layers: Sequence[int]) -> None:
    """Raise UnsupportedModelError where columns of the projections are not those of the heads that they are taken for.

    The columns of one head are changed while every block reads what it read before: that head's queries, keys or values
    must change most.
    """
    ids = torch.tensor([_prompt(scope)])
    sites = [(site, layer) for site in QKV_SITES for layer in layers]
    before: dict[tuple[str, int], Tensor] = {}
    after: dict[tuple[str, int], Tensor] = {}
    streams: dict[tuple[str, int], Tensor] = {}

    def keep(kept: dict[tuple[str, int], Tensor], point: tuple[str, int]) -> Callable[[Tensor], Tensor]:
        def edit(value: Tensor) -> Tensor:
            kept[point] = value.detach()
            return value

        return edit

    entering = [("residual", layer) for layer in range(scope.n_layers)]
    scope.logits(ids, {p: keep(before, p) for p in sites} | {p: keep(streams, p) for p in entering})
    changed: dict[tuple[str, int], int] = {}
    with putting_back() as back:
        for layer in layers:
            for projection in qkv_projections(scope, layer).projections:
                heads = {
                    site: (layer + at) % len(columns) for at, (site, columns) in enumerate(projection.columns.items())
                }
                columns = torch.cat([projection.columns[site][head] for site, head in heads.items()])
                changed |= {(site, layer): head for site, head in heads.items()}
                back.hook(projection.module.register_forward_hook, _louder(columns))
        held = {p: (lambda value, p=p: streams[p]) for p in entering}
        scope.logits(ids, {p: keep(after, p) for p in sites} | held)
    for (site, layer), head in changed.items():
        moved = (after[site, layer] - before[site, layer]).float().norm(dim=-1).sum((0, 1))  # [head]
        if int(moved.argmax()) != head:
            raise UnsupportedModelError(
                f"The columns of the matrix that makes '{site}' in layer {layer} of {type(scope.model).__name__} are "
                "not those of its heads in turn: what each head reads is not known."
            )


def _louder(columns: Tensor) -> Any:
    def change(module: Any, args: Any, output: Tensor) -> Tensor:
        new = output.clone()
        size = output.float().square().mean().sqrt().to(output)
        new[..., columns] = output[..., columns] + 3 * size * torch.linspace(-1, 1, len(columns)).to(output)
        return new

    return change
