"""`AblatedNodes`: the heads and MLPs of a circuit taken out of every forward, or all others."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from scope_widgets.experiments.applied_to import applied_to
from scope_widgets.experiments.circuit.circuit import Circuit
from scope_widgets.experiments.same_model import is_same_model
from scope_widgets.models.edges.graph import Graph
from scope_widgets.models.execution.activation_edits import HookPoint
from scope_widgets.models.execution.persistent_edits import PersistentEdits
from scope_widgets.models.microscope import Microscope, loaded


@dataclass(frozen=True, eq=False)
class AblatedNodes:
    """The heads and MLPs of a circuit, to be taken out of any forward: what they write is zero.

    A change of the model as `evals.compare` takes it; `circuits.faithfulness` measures a circuit edge by edge, on the
    prompts of its task. Zero is the one value that texts of any kind have in common; it is further from what a model is
    used to than a mean is.

    Parameters
    ----------
    circuit : Circuit
        Of heads and MLPs.
    keep : bool, default False
        Take out all other heads and MLPs instead.

    Raises
    ------
    TypeError, ValueError
        For something else, or a circuit of latents.

    Examples
    --------
    >>> circuit = circuits.discover(scope, circuits.task(scope, "ioi", n=6), "eap").keep(n_edges=10)
    >>> out = circuits.AblatedNodes(circuit)
    >>> len(out.nodes(scope)[0]) == len(circuit.heads)
    True
    """

    circuit: Circuit
    keep: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.circuit, Circuit):
            raise TypeError(f"AblatedNodes takes a Circuit; got {type(self.circuit).__name__}.")
        if not isinstance(self.circuit.graph, Graph):
            raise ValueError("AblatedNodes takes a circuit of heads and MLPs; the nodes of this one are latents.")

    @property
    def name(self) -> str:
        """A short name."""
        n = len(self.circuit.nodes)
        return f"all but the {n} nodes of a circuit ablated" if self.keep else f"the {n} nodes of a circuit ablated"

    def nodes(self, scope: Microscope) -> tuple[list[tuple[int, int]], list[int]]:
        """Return the heads, as (layer, head), and the layers of the MLPs that write nothing."""
        heads = set(self.circuit.heads)
        mlps = {int(name[1:]) for name in self.circuit.nodes if name.startswith("m")}
        if self.keep:
            every = range(scope.n_layers)
            heads = {(layer, head) for layer in every for head in range(scope.n_heads)} - heads
            mlps = set(every) - mlps
        return sorted(heads), sorted(mlps)


@applied_to.register
def _(change: AblatedNodes, scope: Microscope, *others: AblatedNodes) -> AbstractContextManager[None]:
    loaded(scope, "AblatedNodes")
    for one in (change, *others):
        if not is_same_model(one.circuit.model_id, scope.model_id):
            raise ValueError(f"The circuit is one of {one.circuit.model_id}, and this is {scope.model_id}.")
    heads, mlps = (
        sorted(set().union(*of)) for of in zip(*(one.nodes(scope) for one in (change, *others)), strict=True)
    )
    of_layer: dict[int, list[int]] = {}
    for layer, head in heads:
        of_layer.setdefault(layer, []).append(head)
    edits: dict[HookPoint, Callable[[Tensor], Tensor]] = {
        ("z", layer): partial(_without, gone) for layer, gone in of_layer.items()
    }
    edits |= {("mlp_out", layer): torch.zeros_like for layer in mlps}
    return PersistentEdits(scope, list(edits), lambda positions, lengths: edits, "nothing").on()


def _without(heads: list[int], z: Tensor) -> Tensor:
    left = z.clone()
    left[:, :, heads] = 0
    return left
