"""Edge ablation: runs in which every input reads its own mixture of what was written before.

An edge that is in carries what its sender writes in this very run, one that is out what it is replaced by. Each head's
query, key and value has an input of its own, as in edge patching. Nothing of the model's code is copied for it: the
matrices that make queries, keys and values are applied to the inputs that differ, and the model's own blocks do the
rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear

from scope_widgets.models.architecture.qkv_projections import QKV_SITES, Projection, qkv_projections
from scope_widgets.models.edges.component_outputs import ComponentOutputs, by_head
from scope_widgets.models.edges.graph import Graph
from scope_widgets.models.execution.nnsight_model import NNsightModel
from scope_widgets.models.execution.recorder import rewrap, unwrap
from scope_widgets.models.guards.restore_on_exit import without_gradients
from scope_widgets.models.microscope import Microscope, loaded

#: bytes that the component outputs of one forward may take
_MOST_BYTES = 2**28


class EdgeAblation:
    """A model on prompts whose edges can be taken out; those that are out carry a replacement.

    Parameters
    ----------
    scope : Microscope
    clean : ComponentOutputs
        Of the prompts.
    replaced : Tensor [sender, prompt, position, d_model]
        What each sender's edges carry where they are out.
    graph : Graph
        See `find_edges.graph_of`, which runs the model to make it.
    """

    def __init__(self, scope: Microscope, clean: ComponentOutputs, replaced: Tensor, graph: Graph) -> None:
        self.scope = scope
        self.graph = graph
        self.clean = clean
        self.replaced = replaced
        self.qkv = {layer: qkv_projections(scope, layer) for layer in range(scope.n_layers) if layer not in graph.whole}

    def replacing(self, replaced: Tensor) -> EdgeAblation:
        """Return it with other values in the edges that are out."""
        other = copy(self)
        other.replaced = replaced
        return other

    @without_gradients
    def logits(self, included: Tensor, only: Tensor | None = None) -> Tensor:
        """Run circuits.

        Parameters
        ----------
        included : Tensor of bool [circuit, edge]
        only : Tensor of int [prompt], optional
            Which of the prompts are run, all by default.

        Returns
        -------
        Tensor [circuit, prompt, vocabulary]
            Of the last position of each prompt.
        """
        rows = torch.arange(len(self.clean.token_ids)) if only is None else only
        n_prompts = len(rows)
        found = self.replaced.new_empty(len(included), n_prompts, self.clean.logits.shape[-1])
        masks = self.replaced.new_zeros(len(included), *self.graph.upstream.shape)
        masks[:, torch.as_tensor(self.graph.upstream)] = included.to(masks)
        circuits = torch.arange(len(included))
        nothing = not bool(self.replaced.any())
        while len(circuits):
            mixture = self._mixture(masks[circuits], nothing)
            size = self._rows_at_once(mixture)
            if size < len(circuits) * n_prompts and len(circuits) > 1:
                # some at a time; fewer of them may also need less of each
                circuits, later = circuits[: max(1, size // n_prompts)], circuits[max(1, size // n_prompts) :]
                mixture = self._mixture(masks[circuits], nothing)
            else:
                later = circuits[:0]
            for prompts in torch.split(torch.arange(n_prompts), max(1, self._rows_at_once(mixture) // len(circuits))):
                found[circuits[:, None], prompts] = _Forward(self, mixture, rows[prompts]).logits()
            circuits = later
        return found

    @without_gradients
    def rebuilt(self) -> Tensor:
        """Return the logits `[prompt, vocabulary]` of a run with all edges in, no layer of which is taken over."""
        mixture = self._mixture(torch.as_tensor(self.graph.upstream).to(self.replaced)[None], False, from_start=True)
        return _Forward(self, mixture, torch.arange(len(self.clean.token_ids))).logits()[0]

    def _mixture(self, masks: Tensor, nothing: bool, *, from_start: bool = False) -> _InputMixture:
        """Return the mixture of circuits; from the first layer where blocks cannot be left out."""
        # a bias after a norm depends on what is normed, whoever reads it
        normed = any(block.attention_norm is not None for block in self.scope.anatomy.blocks)
        mixture = _InputMixture.of(self.graph, masks, nothing, all_read=normed)
        if from_start or not self.clean.alone:
            mixture.start = mixture.n_shared = 0
        return mixture

    def _rows_at_once(self, mixture: _InputMixture) -> int:
        """Return how many rows (a circuit on a prompt) may run at once."""
        d_model, width = self.scope.d_model, self.clean.token_ids.shape[1]
        # what is written, the inputs of one layer's attention, and the model's own
        vectors = len(mixture.used) - mixture.n_shared + 3 * mixture.most_classes + 24
        return max(1, _MOST_BYTES // (4 * d_model * width * vectors))


class _InputMixture:
    """What the inputs of some circuits read, as differences from a stream that they share.

    Attributes
    ----------
    of_written : bool
        Whether the shared stream sums what is written in the run (most edges are in), or the replacements.
    parts : Tensor [circuit, receiver, used sender]
        What of each sender's difference (written less replaced) is added to the shared stream.
    used : Tensor of int [used sender]
    classes : list of list of list of int
        Of each layer's attention: which of its rows read the same in all circuits. Those that read the shared stream
        alone are left out.
    """

    def __init__(self, graph: Graph, of_written: bool, parts: Tensor) -> None:
        self.of_written = of_written
        self.used = parts.any(0).any(0).nonzero().flatten()
        self.parts = parts[..., self.used]
        self.index = {int(sender): at for at, sender in enumerate(self.used)}
        differs = self.parts.any(0).any(-1)  # [receiver]
        self.classes = [self._classes(graph.rows(layer)) for layer in range(graph.n_layers)]
        self.most_classes = max(map(len, self.classes), default=0)
        first_row = int(differs.nonzero()[0]) if bool(differs.any()) else len(differs) - 1
        #: the first layer that is not as in the clean run
        self.start = first_row // (graph.n_inputs + 1) if of_written else 0
        #: how many of the used senders are before it, and so write the same in every circuit
        self.n_shared = int((self.used < graph.n_before(self.start)).sum()) if self.start else 0

    def _classes(self, rows: slice) -> list[list[int]]:
        """Return which rows of a layer read the same in all circuits; without those that read the stream alone."""
        parts = (self.parts[:, rows] != 0).transpose(0, 1).flatten(1).cpu().numpy()  # all have one sign
        found: dict[bytes, list[int]] = {}
        for row in np.flatnonzero(parts.any(1)).tolist():
            found.setdefault(parts[row].tobytes(), []).append(row)
        return list(found.values())

    @classmethod
    def of(cls, graph: Graph, masks: Tensor, nothing: bool, *, all_read: bool) -> _InputMixture:
        """Return the mixture with the fewest differing senders; `masks` [circuit, receiver, sender] of 0 and 1.

        Where every replacement is zero (`nothing`), no input that reads nothing else may be made by a subtraction:
        a norm would make its rounding large. Unless `all_read`, what does not come to the logits is left out.
        """
        out = masks - torch.as_tensor(graph.upstream, device=masks.device).to(masks)
        of_written = int(out.any(0).any(0).sum()) <= int(masks.any(0).any(0).sum())
        of_written = of_written and not (nothing and bool((masks.sum(-1) == 0).any()))
        if not (of_written or all_read):
            masks = _that_matter(graph, masks)
        return cls(graph, of_written, out if of_written else masks)


def _that_matter(graph: Graph, masks: Tensor) -> Tensor:
    """Return circuits without the edges from which nothing comes to the logits, `[circuit, receiver, sender]`."""
    found = torch.zeros_like(masks)
    found[:, -1] = masks[:, -1]
    heard = masks[:, -1] > 0  # [circuit, sender]
    for layer in reversed(range(graph.n_layers)):
        rows = graph.rows(layer)
        for some in (slice(rows.stop, rows.stop + 1), rows):
            read = torch.stack([heard[:, owners].any(1) for owners in graph.owner[some]], 1)  # [circuit, receiver]
            found[:, some] = masks[:, some] * read[..., None]
            heard = heard | found[:, some].any(1)
    return found


class _Forward:
    """One forward of some circuits on some prompts. Shapes begin with [circuit, prompt, position], or 1 circuit."""

    def __init__(self, ablation: EdgeAblation, mixture: _InputMixture, prompts: Tensor) -> None:
        self._ablation, self._mixture = ablation, mixture
        self._graph, self._scope = ablation.graph, ablation.scope
        self._n = len(mixture.parts)
        clean = ablation.clean
        self._ids, self._last = clean.token_ids[prompts], clean.last[prompts]
        self._clean, self._replaced, self._bias = (
            clean.of[:, prompts],
            ablation.replaced[:, prompts],
            clean.bias[:, prompts],
        )
        before = self._graph.n_before(mixture.start)
        #: written less replacement: of all circuits [used sender, ...], and of each [circuit, used sender, ...]
        some = mixture.used[: mixture.n_shared]
        self._shared = self._clean[some] - self._replaced[some]
        self._own = clean.of.new_zeros(self._n, len(mixture.used) - mixture.n_shared, *self._clean.shape[1:])
        #: how many of them have written: the others are zeros, which no receiver yet reads
        self._n_written = 0
        self._record(0, self._clean[:1, None])
        written = self._clean if mixture.of_written else self._replaced
        self._stream = (written[:before].sum(0) + self._bias[: mixture.start].sum(0))[None]

    def logits(self) -> Tensor:
        """Return the logits of the last positions, `[circuit, prompt, vocabulary]`."""
        inputs = {"input_ids": self._ids.repeat(self._n, 1)}
        with loaded(self._scope).wrapped() as wrapped:
            last = self._last.repeat(self._n)
            found = wrapped.logits(inputs, lambda: self._body(wrapped), at=last, lengths=last + 1)
        return found.reshape(self._n, len(self._last), -1)

    def _body(self, wrapped: NNsightModel) -> None:
        blocks, n_layers, start = self._scope.anatomy.blocks, self._graph.n_layers, self._mixture.start
        nothing = self._rows(torch.zeros_like(self._stream))
        final = len(self._graph.receivers) - 1
        for layer in range(start):
            value = self._mixed(final) if layer == n_layers - 1 else nothing
            wrapped.envoy(blocks[layer].block).skip((value,) if self._ablation.clean.in_tuple else value)
        for layer in range(start, n_layers):
            if layer == n_layers - 1 or self._runs(layer):
                self._block(wrapped, layer, nothing)
            else:
                wrapped.envoy(blocks[layer].block).skip((nothing,) if self._ablation.clean.in_tuple else nothing)
                first = self._graph.n_before(layer)
                self._add(first, self._graph.n_heads + 1, nothing, self._bias[layer])
        if start < n_layers:
            put(wrapped.envoy(blocks[-1].block), self._mixed(final))

    def _block(self, wrapped: NNsightModel, layer: int, nothing: Tensor) -> None:
        """Run a block; its own residual stream carries what its MLP is to read, and is put aside after it."""
        block, graph = self._scope.anatomy.blocks[layer], self._graph
        first_head, mlp = graph.n_before(layer), graph.rows(layer).stop
        envoy = wrapped.envoy(block.block)
        if layer in graph.whole:
            envoy.input = entering = self._mixed(mlp)
            out = unwrap(envoy.output) - entering
            self._record(first_head + graph.n_heads, out.reshape(1, self._n, -1, *out.shape[1:]))
            self._add(first_head + graph.n_heads, 1, out)
            return
        envoy.input = self._mixed(mlp) if graph.parallel else nothing
        self._project(wrapped, layer)
        assert block.out is not None  # component_outputs
        z = wrapped.envoy(block.out).input
        whole = unwrap(wrapped.envoy(block.attention_out).output) * block.attention_scale
        bias, normed = self._bias[layer], block.attention_norm is not None
        if normed or self._used(range(first_head, first_head + graph.n_heads)):
            heads, own = by_head(block, graph.n_heads, z)
            self._record(first_head, heads.reshape(graph.n_heads, self._n, -1, *whole.shape[1:]))
            # under a norm a bias is as large as the norm's scale in this run makes it
            bias = own.reshape(self._n, -1, *own.shape[1:]) if normed else bias
        self._add(first_head, graph.n_heads, whole, bias)
        if self._leaves_out_mlp(layer):
            wrapped.envoy(block.mlp).skip(nothing)
            self._add(first_head + graph.n_heads, 1, nothing)
            return
        if not graph.parallel:
            put(wrapped.envoy(block.attention_out), self._mixed(mlp) / block.attention_scale)
        out = unwrap(wrapped.envoy(block.mlp_out).output).reshape(whole.shape) * block.mlp_scale
        self._record(first_head + graph.n_heads, out.reshape(1, self._n, -1, *whole.shape[1:]))
        self._add(first_head + graph.n_heads, 1, out)

    def _project(self, wrapped: NNsightModel, layer: int) -> None:
        """Make queries, keys and values: once for all rows that read the same, and not those of heads nobody reads."""
        qkv, graph, classes = self._ablation.qkv[layer], self._graph, self._mixture.classes[layer]
        first = graph.rows(layer).start
        kind = {row: at for at, rows in enumerate(classes) for row in rows}
        shared = qkv.normed(self._stream)
        own: tuple[Tensor, ...] = ()
        if classes:
            added = self._added(self._mixture.parts[:, [first + rows[0] for rows in classes]])
            own = qkv.normed(self._stream[:, None] + added).unbind(1)
        starts = dict(zip(QKV_SITES, (0, graph.n_heads, graph.n_heads + graph.n_kv_heads), strict=True))
        every = self._mixture.of_written or self._scope.anatomy.blocks[layer].attention_norm is not None
        for projection in qkv.projections:
            columns: dict[int, list[Tensor]] = {}  # by class, -1 for the shared stream
            for site, of_heads in projection.columns.items():
                for row, some in enumerate(of_heads, starts[site]):
                    if every or self._used(graph.owner[first + row]):
                        columns.setdefault(kind.get(row, -1), []).append(some)
            made = self._made(projection, {at: torch.cat(some) for at, some in columns.items()}, (*own, shared))
            wrapped.envoy(projection.module).skip(made.flatten(0, 1))

    def _made(self, projection: Projection, columns: dict[int, Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """Return what a matrix makes of several inputs, some columns of each; zeros where it is asked for none."""
        matrix, bias = projection.matrix, projection.bias
        if [len(some) for some in columns.values()] == [matrix.shape[1]]:
            made: Tensor = type(projection.module).forward(projection.module, inputs[next(iter(columns))])
            return made.expand(self._n, *made.shape[1:])
        made = matrix.new_zeros(self._n, *inputs[-1].shape[1:-1], matrix.shape[1])
        for at, some in columns.items():
            some = some.to(matrix.device)
            made[..., some] = linear(inputs[at], matrix.T[some], None if bias is None else bias[some])
        return made

    def _mixed(self, receiver: int) -> Tensor:
        """Return what a receiver reads, `[row, position, d_model]`."""
        return self._rows(self._stream + self._added(self._mixture.parts[:, receiver, None])[:, 0])

    def _added(self, parts: Tensor) -> Tensor:
        """Return what `parts` `[circuit, receiver, sender]` add to the shared stream, `[circuit, receiver, ...]`."""
        n, written = self._mixture.n_shared, self._n_written
        added = torch.einsum("cru,cubpd->crbpd", parts[..., n : n + written], self._own[:, :written])
        return added + torch.einsum("cru,ubpd->crbpd", parts[..., :n], self._shared) if n else added

    def _rows(self, value: Tensor) -> Tensor:
        return value.expand(self._n, *value.shape[1:]).flatten(0, 1)

    def _used(self, senders: Iterable[int]) -> bool:
        return any(sender in self._mixture.index for sender in senders)

    def _runs(self, layer: int) -> bool:
        """Return whether anything reads what a block writes."""
        first = self._graph.n_before(layer)
        normed = self._scope.anatomy.blocks[layer].attention_norm is not None  # its bias is read, see `_block`
        used = self._used(range(first, first + self._graph.n_heads + 1))
        return used or normed or self._mixture.of_written or not self._ablation.clean.alone

    def _leaves_out_mlp(self, layer: int) -> bool:
        """Return whether nothing reads what an MLP writes, and it is one whose output is known to be one tensor."""
        block = self._scope.anatomy.blocks[layer]
        plain = block.down is not None and block.down is not block.mlp and not self._graph.parallel
        read = self._mixture.of_written or self._used([self._graph.n_before(layer) + self._graph.n_heads])
        return plain and not read

    def _record(self, start: int, written: Tensor) -> None:
        """Record what senders from `start` on wrote, `[sender, circuit or 1, prompt, position, d_model]`."""
        for sender, value in enumerate(written, start):
            at = self._mixture.index.get(sender, -1) - self._mixture.n_shared
            if at >= 0:
                self._own[:, at] = value - self._replaced[sender]
                self._n_written = at + 1

    def _add(self, start: int, n: int, written: Tensor, bias: Tensor | None = None) -> None:
        """Add to the shared stream what was written, or its replacement."""
        if self._mixture.of_written:
            self._stream = self._stream + written.reshape(self._n, -1, *written.shape[1:])
        else:
            self._stream = self._stream + self._replaced[start : start + n].sum(0) + (0 if bias is None else bias)


def put(envoy: Any, value: Tensor) -> None:
    """Set the output of a module, whatever it is wrapped in."""
    output = envoy.output
    envoy.output = rewrap(output, value.reshape(unwrap(output).shape))
