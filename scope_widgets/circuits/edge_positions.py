"""Where in the prompt the edges of a circuit act."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from scope_widgets.circuits.circuit import Circuit
from scope_widgets.circuits.circuit_run import CircuitRun
from scope_widgets.circuits.edge_scores import by_gradient, passes
from scope_widgets.circuits.evaluation import circuit_run
from scope_widgets.experiments.task import Task
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.models.tokens import token_texts

Array = np.ndarray[Any, Any]


def by_position(
    scope: Microscope,
    circuit: Circuit,
    roles: Mapping[str, Sequence[int]] | None = None,
    *,
    task: Task | None = None,
    steps: int = 5,
) -> Any:
    """Split the EAP-IG score of each edge of a circuit over positions: an estimate of where the edge matters.

    Parameters
    ----------
    scope : Microscope
    circuit : Circuit
    roles : dict of str to sequence of int [pair], optional
        Positions that mean the same in every prompt, such as `prompts.positions`; every position where nothing is said,
        which needs prompts of one length.
    task : Task, optional
        Other pairs than the circuit's.
    steps : int
        Of EAP-IG; 0: EAP.

    Returns
    -------
    pandas.DataFrame
        One row an edge that is in: sender, receiver, score (over all positions), then a column a position or role.

    Raises
    ------
    ValueError
        For prompts of several lengths without roles, or roles that do not fit the prompts.
    """
    import pandas as pd

    edges, whole, split, names = _split(scope, circuit, roles, task, steps)
    table = pd.DataFrame([circuit.graph.names(int(edge)) for edge in edges], columns=["sender", "receiver"])
    table["score"] = whole
    return pd.concat([table, pd.DataFrame(split, columns=names)], axis=1)


@remotable
def _split(
    scope: Microscope, circuit: Circuit, roles: Mapping[str, Sequence[int]] | None, task: Task | None, steps: int
) -> tuple[Array, Array, Array, list[str]]:
    """Give the edges that are in, their scores `[edge]`, these `[edge, place]`, and the places' names."""
    trial = circuit_run(scope, circuit, task, None, 0)
    at, names = _places(trial, roles)
    with tqdm(total=2 * passes(trial, steps), desc="Edge attribution", unit="pass", leave=False) as bar:
        whole = by_gradient(trial, steps, bar)
        split = by_gradient(trial, steps, bar, at)
    edges = np.flatnonzero(circuit.included)
    return edges, whole[edges], split[edges], names


def _places(trial: CircuitRun, roles: Mapping[str, Sequence[int]] | None) -> tuple[torch.Tensor, list[str]]:
    clean = trial.task.clean
    lengths = [len(row) for row in clean]
    if roles is None:
        if len(set(lengths)) > 1:
            raise ValueError(
                f"The prompts have {min(lengths)} to {max(lengths)} tokens, so a position means another place in each: "
                "give roles=, such as prompts.positions."
            )
        tokens = token_texts(trial.scope.tokenizer, clean[0])
        return torch.arange(lengths[0]).expand(len(clean), -1), [f"{at} {text}" for at, text in enumerate(tokens)]
    columns = []
    for role, places in roles.items():
        found = torch.as_tensor(np.asarray(places)).long().reshape(-1)
        if len(found) != len(clean) or bool(((found < 0) | (found >= torch.tensor(lengths))).any()):
            raise ValueError(
                f"Role {role!r} must have one position for each of the {len(clean)} prompts, from 0 to its last token; "
                f"got {found.tolist()[:8]}."
            )
        columns.append(found)
    return torch.stack(columns, 1), list(roles)
