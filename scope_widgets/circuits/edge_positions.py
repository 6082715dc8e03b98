"""The positions of a prompt at which the edges of a circuit act."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from scope_widgets._aliases import WasDataFrame, former_options
from scope_widgets._progress import tqdm
from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets._seeds import seed_of
from scope_widgets._types import Array
from scope_widgets.circuits.discovery.edge_scores import gradient_layers, score_by_gradient
from scope_widgets.circuits.evaluation.circuit_run import CircuitRun
from scope_widgets.circuits.evaluation.evaluation_run import EvaluationRun
from scope_widgets.experiments.circuit.circuit import Circuit
from scope_widgets.experiments.named_tasks import TaskName
from scope_widgets.experiments.task import Task
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.models.tokens import token_texts

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class EdgePositions(WasDataFrame, Result):
    """The EAP-IG score of each edge of a circuit, split over positions.

    Attributes
    ----------
    senders, receivers : tuple of str [edge]
    scores : ndarray [edge]
        Over all positions.
    positions : tuple of str [column]
        Positions with their tokens ("3 Mary"), or roles.
    by_position : ndarray [edge, column]
    provenance : Provenance
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.circuits:edge_positions"

    senders: tuple[str, ...]
    receivers: tuple[str, ...]
    scores: Array
    positions: tuple[str, ...]
    by_position: Array
    provenance: Provenance

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table, one row an edge: sender, receiver, score, then a column a position or role."""
        import pandas as pd

        table = pd.DataFrame({"sender": self.senders, "receiver": self.receivers, "score": self.scores})
        return pd.concat([table, pd.DataFrame(self.by_position, columns=list(self.positions))], axis=1)


@former_options("positions", roles="positions")
def by_position(
    scope: Microscope,
    circuit: Circuit,
    *,
    positions: Mapping[str, Sequence[int]] | None = None,
    task: Task | TaskName | None = None,
    steps: int = 5,
    seed: int | None = 0,
) -> EdgePositions:
    """Split the EAP-IG score of each edge of a circuit over positions: an estimate of where the edge matters.

    Parameters
    ----------
    scope : Microscope
    circuit : Circuit
    positions : dict of str to sequence of int [pair], optional
        Positions that mean the same in every prompt, by their role, such as `prompts.positions`; every position by
        default, which needs prompts of one length.
    task : Task or str, optional
        Other pairs than those the circuit was found on, or the name of a task; the circuit's own by default.
    steps : int, default 5
        Number of gradients (EAP-IG, Hanna et al. 2024); 0: EAP (Syed et al. 2023).
    seed : int or None, default 0
        Of resampling, and of the pairs of a task that is given by its name.

    Returns
    -------
    EdgePositions
        One row an edge that is in.

    Raises
    ------
    ValueError
        For prompts of several lengths without `positions`, positions that do not fit the prompts, or a circuit or task
        of another model.

    Examples
    --------
    >>> from scope_widgets import Microscope, circuits, ioi
    >>> scope = Microscope.load("demo")
    >>> prompts = ioi.prompts(scope, n=6)
    >>> circuit = circuits.discover(scope, prompts.task(), "eap").keep(5)
    >>> circuits.by_position(scope, circuit, positions=prompts.positions, steps=1).positions
    ('IO', 'S1', 'S1+1', 'S2', 'END')
    """
    seed = seed_of(seed)
    return _by_position(EvaluationRun(scope, circuit, task, None, seed), positions, steps)


@remotable
def _by_position(evaluated: EvaluationRun, positions: Mapping[str, Sequence[int]] | None, steps: int) -> EdgePositions:
    run, circuit = evaluated.run, evaluated.circuit
    at, names = _columns(run, positions)
    with tqdm(total=2 * gradient_layers(run, steps), desc="Edge attribution", unit="layer", leave=False) as bar:
        scores = score_by_gradient(run, steps, bar)
        split = score_by_gradient(run, steps, bar, at)
    if run.interrupted:  # the two would be of other pairs
        raise KeyboardInterrupt(run.interrupted)
    edges = np.flatnonzero(circuit.included)
    senders, receivers = zip(*circuit.edges, strict=True) if len(edges) else ((), ())
    return EdgePositions(senders, receivers, scores[edges], tuple(names), split[edges], evaluated.provenance)


def _columns(run: CircuitRun, roles: Mapping[str, Sequence[int]] | None) -> tuple[torch.Tensor, list[str]]:
    """Return the positions `[pair, column]` to score by themselves, and what each column is called."""
    clean = run.task.clean
    lengths = [len(row) for row in clean]
    if roles is None:
        if len(set(lengths)) > 1:
            raise ValueError(
                f"The prompts have {min(lengths)} to {max(lengths)} tokens, so a position means something else in "
                "each: give positions=, such as prompts.positions."
            )
        tokens = token_texts(run.scope.tokenizer, clean[0])
        return torch.arange(lengths[0]).expand(len(clean), -1), [f"{at} {text}" for at, text in enumerate(tokens)]
    columns = []
    for role, positions in roles.items():
        found = torch.as_tensor(np.asarray(positions)).long().reshape(-1)
        if len(found) != len(clean) or bool(((found < 0) | (found >= torch.tensor(lengths))).any()):
            raise ValueError(
                f"Role {role!r} must have one position for each of the {len(clean)} prompts, from 0 to its last token; "
                f"got {found.tolist()[:8]}."
            )
        columns.append(found)
    return torch.stack(columns, 1), list(roles)
