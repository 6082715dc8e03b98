"""How much of what the whole model does a circuit of latents does, with the errors of its SAEs in it and without."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from scope_widgets._check_choice import checked_count
from scope_widgets._job import JobStatus, Steps
from scope_widgets._provenance import Provenance
from scope_widgets._result import Result
from scope_widgets._seeds import seed_of
from scope_widgets._types import Array
from scope_widgets.circuits.latents.task_run import SENTENCES, LatentTaskRun
from scope_widgets.experiments.circuit.circuit import Circuit
from scope_widgets.experiments.circuit.latent_graph import LatentGraph, LatentNode
from scope_widgets.experiments.named_tasks import TaskName, as_task
from scope_widgets.experiments.statistics.rounding import vanishes
from scope_widgets.experiments.task import Task
from scope_widgets.models.execution.activation_edits import HookPoint
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import stepwise

if TYPE_CHECKING:
    import pandas as pd

_RESAMPLES = 2000


@dataclass(frozen=True, eq=False, repr=False)
class LatentFaithfulness(Result):
    """How much of what the whole model does the latents of a circuit do.

    Attributes
    ----------
    errors : tuple of str [2]
        "in": the errors of all SAEs are in; "out": none is.
    value, low, high : ndarray [2]
        `(m(circuit) - m(empty)) / (m(model) - m(empty))` of the mean metrics, NaN where the denominator vanishes, and
        its 95 % interval (bootstrap over the pairs). Empty: all latents and errors are out.
    random : ndarray [2, draw]
        The same of as many random latents of each SAE, of those that fire on these prompts.
    metric : ndarray [2, pair]
    full, empty : ndarray [pair]
        The metric of the model, and of nothing.
    n_latents, n_active : int
        Latents of the circuit, and those that fire on these prompts.
    provenance : Provenance
    """

    plotted_by: ClassVar[str] = "scope_widgets.plots.circuit_evaluation:latent_faithfulness"

    errors: tuple[str, ...]
    value: Array
    low: Array
    high: Array
    random: Array
    metric: Array
    full: Array
    empty: Array
    n_latents: int
    n_active: int
    provenance: Provenance

    def _said(self) -> str:
        """Say both in a line."""
        both = zip(self.errors, self.value, self.low, self.high, self.random.mean(1), strict=True)
        said = [
            f"errors {name}: {value:.3f} [{low:.3f}, {high:.3f}], random {random:.3f}"
            for name, value, low, high, random in both
        ]
        return f"{self.n_latents:,} of {self.n_active:,} latents; {'; '.join(said)}"

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table of two rows: errors, faithfulness, low, high, random (mean), the mean metrics, n_latents."""
        import pandas as pd

        return pd.DataFrame(
            {
                "errors": self.errors,
                "faithfulness": self.value,
                "low": self.low,
                "high": self.high,
                "random": self.random.mean(1),
                "metric": self.metric.mean(1),
                "full": self.full.mean(),
                "empty": self.empty.mean(),
                "n_latents": self.n_latents,
                "n_active": self.n_active,
            }
        )


@stepwise
def latent_faithfulness(
    scope: Microscope,
    circuit: Circuit,
    saes: Any,
    *,
    task: Task | TaskName | None = None,
    draws: int = 5,
    seed: int | None = 0,
) -> Steps[LatentFaithfulness]:
    """Run the latents of a circuit by themselves, with all errors in and with none, beside random latents.

    Parameters
    ----------
    scope : Microscope
    circuit : Circuit
        Of latents: `circuits.discover(..., saes=saes)`. Latents with an edge out that is in are in.
    saes : SAE, list of SAE, or dict of layer to SAE
        Those that it was found with.
    task : Task or str, optional
        Other pairs than those it was found on, which is the fairer test; the circuit's own by default.
    draws : int, default 5
        Number of random circuits, of as many latents of each SAE.
    seed : int or None, default 0
        Of random circuits, the bootstrap, and the pairs of a task that is given by its name.

    Returns
    -------
    LatentFaithfulness

    Raises
    ------
    ValueError
        For a circuit of heads and MLPs, of another model, or of SAEs that were not given.

    Examples
    --------
    >>> task = circuits.task(scope, "ioi", n=4)
    >>> found = circuits.discover(scope, task, saes=features.load("demo"), steps=2, n_nodes=6)
    >>> circuits.latent_faithfulness(scope, found, features.load("demo"), draws=2).errors
    ('in', 'out')
    """
    seed = seed_of(seed)
    draws = checked_count("draws", draws)
    if not isinstance(circuit.graph, LatentGraph) or circuit.method == "provenance":
        raise ValueError(
            "latent_faithfulness() measures circuits of latents on a task, as circuits.discover(scope, task, saes=...) "
            f"finds them; this one was found by {circuit.method!r}. Of heads and MLPs: circuits.faithfulness()."
        )
    pairs = circuit.task if task is None else as_task(scope, task, seed=seed)
    yield JobStatus("running", "running the pairs")
    run = LatentTaskRun(scope, pairs, saes, "zero" if circuit.ablation == "zero" else "counterfactual")
    chosen = _latents_of(circuit, run)
    rng = np.random.default_rng(seed)
    active = {point: run.active(point) for point in run.places}
    sets = [chosen]
    for _ in range(draws):
        sets.append({point: rng.choice(active[point], min(len(one), len(active[point])), False).tolist()
                     for point, one in chosen.items()})  # fmt: skip
    empty = run.measure({}, ())
    metric = np.zeros((2, len(sets), len(pairs)))
    for at, latents in enumerate(sets):
        for row, errors in enumerate((run.places, [])):
            metric[row, at] = run.measure(latents, errors)
        yield JobStatus("running", "circuits", at + 1, len(sets))
    whole = float((run.full - empty).mean())
    shares = (metric - empty).mean(-1) / (np.nan if vanishes(whole, run.floor) else whole)
    intervals = np.array([_interval(one[0], run.full, empty, run.floor, seed) for one in metric])
    return LatentFaithfulness(
        errors=("in", "out"),
        value=shares[:, 0],
        low=intervals[:, 0],
        high=intervals[:, 1],
        random=shares[:, 1:],
        metric=metric[:, 0],
        full=run.full,
        empty=empty,
        n_latents=sum(map(len, chosen.values())),
        n_active=sum(map(len, active.values())),
        provenance=Provenance(
            scope.model_id,
            scope.revision,
            tuple(str(scope.tokenizer.decode(row, skip_special_tokens=True)) for row in pairs.clean),
            seed,
            SENTENCES[run.ablation],
            f"latents of {circuit.n_edges:,} edges of {circuit.method}; {pairs.metric_name}; {len(pairs):,} pairs",
        ),
    )


def _latents_of(circuit: Circuit, run: LatentTaskRun) -> dict[HookPoint, list[int]]:
    """Return the latents of a circuit by place."""
    found: dict[HookPoint, list[int]] = defaultdict(list)
    for node in map(LatentNode.of, circuit.nodes):
        point = run.clean.point(node)
        if point not in run.clean.saes:
            raise ValueError(f"The circuit has a node of {point[0]} of layer {point[1]}, whose SAE was not given.")
        if node.kind == "latent":
            if node.number >= run.clean.saes[point].d_sae:
                raise ValueError(f"The circuit has the latent {node.name}, which the SAE that was given does not have.")
            found[point].append(node.number)
    return found


def _interval(metric: Array, full: Array, empty: Array, floor: float, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, bootstrap over the pairs of numerator and denominator together."""
    n = len(metric)
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=_RESAMPLES) / n
    above, below = weights @ (metric - empty), weights @ (full - empty)
    known = ~vanishes(below, floor)
    if n < 2 or not known.any():
        return float("nan"), float("nan")
    low, high = np.percentile(above[known] / below[known], [2.5, 97.5])
    return float(low), float(high)
