"""The gradient of a metric by each input of a model: of every head's query, key and value, every MLP, and the logits.

One forward and one backward. The residual stream is carried beside the model's own, so that an MLP's input and the
stream that goes past it are two things to autograd; gradients of queries, keys and values are pulled back through the
matrices and the norm for each head by itself.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from scope_widgets.models.architecture.qkv_projections import QKV_SITES, QKVProjections, qkv_projections
from scope_widgets.models.edges.component_outputs import ComponentOutputs
from scope_widgets.models.edges.edge_ablation import put
from scope_widgets.models.edges.graph import Graph
from scope_widgets.models.execution.nnsight_model import NNsightModel
from scope_widgets.models.execution.recorder import unwrap
from scope_widgets.models.guards.restore_on_exit import recording_gradients
from scope_widgets.models.microscope import Microscope, loaded


class EdgeGradients:
    """Scores of edges: what their senders write differently, times the gradient of their receivers' inputs.

    Syed et al. 2023, "Attribution patching outperforms automated circuit discovery", arXiv:2310.10348.
    """

    def __init__(self, scope: Microscope, graph: Graph) -> None:
        self._scope, self._graph = scope, graph
        self._qkv = {
            layer: qkv_projections(scope, layer) for layer in range(graph.n_layers) if layer not in graph.whole
        }

    def scores(
        self,
        clean: ComponentOutputs,
        changes: Tensor,
        embeddings: Tensor,
        measure: Callable[[Tensor], Tensor],
        positions: Tensor | None = None,
        on_layer: Callable[[], object] = lambda: None,
    ) -> Tensor:
        """Return the scores of all edges, the sum over some prompts.

        Parameters
        ----------
        clean : ComponentOutputs
            For the tokens.
        changes : Tensor [sender, prompt, position, d_model]
            What each sender would write differently.
        embeddings : Tensor [prompt, position, d_model]
            What the forward begins with.
        measure : callable
            Logits `[prompt, vocabulary]` of the last positions -> `[prompt]`.
        positions : Tensor of int [prompt, k], optional
            Score each of these positions by itself.
        on_layer : callable
            Called for each layer twice, when the forward and when the backward comes to it.

        Returns
        -------
        Tensor [receiver, sender], or [receiver, sender, k]
            0 where there is no edge.

        Raises
        ------
        ValueError
            Where the metric has no gradient.
        """
        graph = self._graph
        run = _Run(self._scope, graph, self._qkv, embeddings, on_layer)
        logits = run.logits(clean)
        with recording_gradients(True):
            try:
                measured = measure(logits).sum()
            except RuntimeError as error:
                if "numpy()" not in str(error):  # which torch refuses a tensor that has a gradient
                    raise
                measured = logits.new_zeros(())
        if not measured.requires_grad:
            raise ValueError(
                "The metric has no gradient (it leaves torch, or compares), so edges cannot be scored by one: use "
                "method='edge-patching' or 'acdc', or a metric made of torch functions."
            )
        wanted = [*run.made.values(), *run.mlp_inputs, run.final]
        gradients = iter(torch.autograd.grad(measured, wanted))
        for _ in range(graph.n_layers - run.came_back):  # nothing is taken back through the first
            on_layer()
        made = {key: next(gradients) for key in run.made}
        mlps, final = [next(gradients) for _ in run.mlp_inputs], next(gradients)
        found = changes.new_zeros(*graph.upstream.shape, *(() if positions is None else positions.shape[1:]))
        each = torch.arange(len(changes[0]), device=changes.device)[:, None]
        if positions is not None:
            changes = changes[:, each, positions]

        def fill(rows: slice, inputs: Tensor) -> None:
            """Contract the gradients `[receiver, prompt, position, d_model]` with what comes before."""
            seen = graph.n_seen(rows.stop - 1)
            if positions is None:
                found[rows, :seen] = inputs.flatten(1) @ changes[:seen].flatten(1).T
            else:
                found[rows, :seen] = torch.einsum("rbpd,sbpd->rsp", inputs[:, each, positions], changes[:seen])

        for layer in range(graph.n_layers):
            rows = graph.rows(layer)
            if layer in self._qkv:
                fill(rows, self._pulled(layer, run.streams[layer], made))
            fill(slice(rows.stop, rows.stop + 1), mlps[layer][None])
        fill(slice(len(graph.receivers) - 1, len(graph.receivers)), final[None])
        return found

    def _pulled(self, layer: int, stream: Tensor, made: dict[tuple[int, int], Tensor]) -> Tensor:
        """Pull gradients by queries, keys and values back to the inputs `[receiver, prompt, position, d_model]`."""
        qkv = self._qkv[layer]
        by_site: dict[str, Tensor] = {}
        for at, projection in enumerate(qkv.projections):
            weights = projection.matrix.detach()
            for site, columns in projection.columns.items():
                columns = columns.to(weights.device)
                gradient = made[layer, at][..., columns]  # [prompt, position, head, d_head]
                by_site[site] = torch.einsum("bprk,drk->rbpd", gradient, weights[:, columns])
        after = torch.cat([by_site[site] for site in QKV_SITES])
        if qkv.norm is None:
            return after
        with recording_gradients(True):
            inputs = stream.detach().expand_as(after).requires_grad_()
            normed = qkv.normed(inputs)
        (before,) = torch.autograd.grad(normed, inputs, after)
        return before


class _Run:
    """One forward that records what gradients are taken by."""

    def __init__(
        self,
        scope: Microscope,
        graph: Graph,
        qkv: dict[int, QKVProjections],
        embeddings: Tensor,
        on_layer: Callable[[], object],
    ) -> None:
        self._on_layer = on_layer
        self.came_back = 0
        self._scope, self._graph, self._qkv = scope, graph, qkv
        self._embeddings = embeddings
        self.streams: list[Tensor] = []
        self.made: dict[tuple[int, int], Tensor] = {}
        self.mlp_inputs: list[Tensor] = []
        self.final = embeddings

    def logits(self, prompts: ComponentOutputs) -> Tensor:
        """Return the logits of the last positions, `[prompt, vocabulary]`."""
        positions = torch.unique(prompts.last)
        inputs = {"input_ids": prompts.token_ids, "logits_to_keep": positions}
        with loaded(self._scope).wrapped() as wrapped:
            lengths = prompts.last + 1
            found = wrapped.logits(inputs, lambda: self._body(wrapped), gradients=True, lengths=lengths)
        with recording_gradients(True):
            return found[torch.arange(len(prompts.last)), torch.searchsorted(positions, prompts.last)]

    def _body(self, wrapped: NNsightModel) -> None:
        blocks, graph = self._scope.anatomy.blocks, self._graph
        stream = self._embeddings.detach().requires_grad_()
        for layer, block in enumerate(blocks):
            envoy = wrapped.envoy(block.block)
            self._on_layer()
            # also because Ctrl-C is heard where Python runs, and a backward of many prompts takes seconds
            stream.register_hook(self._come_to)  # type: ignore[no-untyped-call]
            self.streams.append(stream)
            beside = stream.clone()  # what the MLP of a parallel block reads is a thing of its own
            if layer in graph.whole:
                envoy.input = beside
                self.mlp_inputs.append(beside)
                stream = stream + unwrap(envoy.output) - beside
                continue
            reads = self._qkv[layer]
            envoy.input = beside if graph.parallel else stream.detach()
            normed = reads.normed(stream)
            for at, projection in enumerate(reads.projections):
                made = type(projection.module).forward(projection.module, normed)
                self.made[layer, at] = made
                wrapped.envoy(projection.module).skip(made)
            attention = wrapped.envoy(block.attention_out)
            stream = stream + unwrap(attention.output) * block.attention_scale
            if not graph.parallel:
                beside = stream.clone()
                put(attention, (beside - self.streams[-1].detach()) / block.attention_scale)
            self.mlp_inputs.append(beside)
            written = unwrap(wrapped.envoy(block.mlp_out).output).reshape(stream.shape)
            stream = stream + written * block.mlp_scale
        self.final = stream.clone()
        put(wrapped.envoy(blocks[-1].block), self.final)

    def _come_to(self, _gradient: Tensor) -> None:
        self.came_back += 1
        self._on_layer()
