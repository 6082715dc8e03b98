"""Circuits without a model, and what measures them in the place of an `EvaluationRun`."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from scope_widgets._job import Job
from scope_widgets._provenance import Provenance
from scope_widgets.circuits import Circuit, Graph, Task
from scope_widgets.circuits.evaluation.evaluation_run import EvaluationRun
from scope_widgets.experiments.circuit.edge_evidence import EdgeEvidence
from scope_widgets.experiments.circuit.latent_graph import LatentGraph
from scope_widgets.experiments.question import Question
from scope_widgets.models.remote_dispatch import local_steps

_WORDS = "When| Mary| and| John| went| to| the| store|,|{}| gave| a| drink| to"
QUESTION = Question(_WORDS.format(" John").split("|"), _WORDS.format(" Mary").split("|"), [" Mary"], [" John"], False)
SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def task(n: int = 3, metric: Any = "logit_difference") -> Task:
    pair = [[5, 6, 7, 8]] * n
    return Task("IOI", pair, pair, [[1]] * n, [[2]] * n, metric, "demo", [0] * n)


def circuit(
    layers: int = 4, heads: int = 4, kv_heads: int | None = None, keep: int | None = 20, seed: int = 0, **changes: Any
) -> Circuit:
    """Scores fall off as those of EAP do: a few edges hold most."""
    graph = changes.get("graph") or Graph(layers, heads, kv_heads or heads, changes.pop("parallel", False))
    rng = np.random.default_rng(seed)
    scores = (rng.standard_normal(graph.n_edges) * rng.pareto(1.2, graph.n_edges) * 0.01).astype(np.float32)
    fields: dict[str, Any] = {
        "graph": graph,
        "scores": scores,
        "included": np.ones(graph.n_edges, dtype=bool),
        "task": task(),
        "method": "eap-ig",
        "exact": False,
        "ablation": "counterfactual",
        "provenance": Provenance("demo", prompts=("When Mary and John went to the store, John gave a drink to",) * 3),
        "question": QUESTION,
    }
    made = Circuit(**{**fields, **changes})
    return made if keep is None else made.keep(keep)


def latent_circuit() -> Circuit:
    """Make a circuit as `features.provenance` gives it: latents, an error and a head before one latent."""
    edges = [
        ("2.41", "3.17"), ("2.300", "3.17"), ("2.error", "3.17"), ("a1.h2", "2.41"), ("1.5", "a1.h2"), ("m1", "2.41"),
    ]  # fmt: skip
    graph = LatentGraph.of(4, 4, edges, "3.17", {"3": "SAE(512 latents)"})
    scores = np.array([0.4, 0.3, 1.2, 0.9, -0.2, 0.1])
    n = graph.n_edges
    evidence = EdgeEvidence(
        effects=np.repeat(scores[:, None], 3, 1),
        attribution=scores * 1.1,
        activation=np.full(n, 1.5),
        low=scores - 0.1,
        high=scores + 0.1,
        p=np.full(n, 0.01),
        p_null=np.full(n, 0.01),
        null=np.full(n, 0.05),
        depth=np.array([2, 2, 2, 1, 1, 1]),
    )
    return circuit(
        keep=None,
        graph=graph,
        scores=scores,
        included=np.array([True] * 5 + [False]),
        method="provenance",
        exact=True,
        ablation="mean",
        question=None,
        evidence=evidence,
        labels={"2.41": "a name's second mention"},
    )


def curve(of: Circuit, draws: int = 3, **changes: Any) -> Any:
    """What `circuits.curve` gives, with faithfulness that grows with the edges."""
    sizes = np.array([max(1, round(share * of.graph.n_edges)) for share in SHARES])
    at = np.log1p(sizes) / np.log1p(of.graph.n_edges)
    faithfulness = np.clip(1.15 * np.sin(at * 1.7) ** 2, 0, 1.2)
    faithfulness[-1] = 1
    rng = np.random.default_rng(1)
    fields = {
        "n_edges": sizes,
        "shares": np.array(SHARES),
        "faithfulness": faithfulness,
        "low": faithfulness - 0.08,
        "high": faithfulness + 0.06,
        "metric": 0.2 + 3.1 * faithfulness,
        "random": np.clip(at**9 + 0.03 * rng.standard_normal((draws, len(sizes))), -0.1, 1),
        "full": 3.3,
        "empty": 0.2,
        "pairs": "3 pairs of IOI that it was found on",
        "provenance": of.provenance,
    }
    return SimpleNamespace(**{**fields, **changes})


class FakeMeasurement(EvaluationRun):
    """Measures by a rule: faithfulness is the share of all absolute scores that is in.

    It is its own `run`, and its `scope` traces made-up attention.

    Attributes
    ----------
    asked : list of ndarray of bool [edge]
        The circuits that were measured.
    layers : list of int
        Those whose attention was asked for.
    fails : str
        What it fails with, where that is not empty.
    """

    sentence = "An edge that is out carries its value on the corrupted prompt."
    full, empty, texts, message, floor = np.array([3.0, 3.6]), np.array([0.3, 0.1]), (), "", 1e-9

    def __init__(self, of: Circuit, tokens: int = 12, seconds: float = 0.0) -> None:
        scope = SimpleNamespace(
            submit=lambda function, *args: Job(local_steps(function, args, {})),
            trace=self._trace,
            model_id=of.model_id,
            revision=None,
        )
        super().__init__(scope, of)
        self.tokens = [f" word{i}" for i in range(tokens)]
        self.asked: list[np.ndarray[Any, Any]] = []
        self.layers: list[int] = []
        self.fails = ""
        self.seconds = seconds

    @property
    def run(self) -> FakeMeasurement:
        return self

    def measure(self, included: Any) -> Any:
        if self.fails:
            raise RuntimeError(self.fails)
        size = np.nan_to_num(np.abs(self.circuit.scores))
        shares = []
        for mask in included:
            time.sleep(self.seconds)
            self.asked.append(np.array(mask))
            shares.append(float(size[mask].sum() / (size.sum() or 1)))
        return self.empty + (self.full - self.empty) * np.array(shares)[:, None]

    def faithfulness(self, metric: Any) -> Any:
        return ((metric - self.empty) / (self.full - self.empty)).mean(-1)

    def values(self, included: Any) -> tuple[float, float]:
        """Faithfulness and metric of a circuit."""
        metric = self.measure(included[None])[0]
        return float(self.faithfulness(metric)), float(metric.mean())

    def attention(self, layer: int) -> torch.Tensor:
        self.layers.append(layer)
        n = len(self.tokens)
        rng = np.random.default_rng(layer)
        weights = np.tril(np.exp(2.5 * rng.standard_normal((self.circuit.graph.n_heads, n, n))))
        return torch.tensor(weights / weights.sum(-1, keepdims=True), dtype=torch.float32)

    def _trace(self, prompt: Any, capture: Any, logits: Any) -> Any:
        assert list(capture) == ["attention"]
        return SimpleNamespace(attention=self.attention, tokens=self.tokens)
