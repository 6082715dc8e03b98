"""What is measured: each metric's meaning, unit, direction, and the difference below which it counts as kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from scope_widgets._types import Array

Better = Literal["higher", "lower", "neither"]
#: clusters of which one says that they are few
_FEW: Final = 5


@dataclass(frozen=True)
class Metric:
    """A metric of a suite.

    Attributes
    ----------
    meaning : str
    unit : str
    better : "higher", "lower" or "neither"
    bound : float
        A difference smaller than this, either way, is none that matters: a convention, which `bounds=` changes.
    yes_no : bool
        Whether each item is a yes or no, 1 or 0; of a tie its share.
    target : float
        The value to aim at; NaN where there is none.
    """

    meaning: str
    unit: str
    better: Better
    bound: float
    yes_no: bool = False
    target: float = float("nan")


#: every metric by its name
METRICS: dict[str, Metric] = {
    "efficacy": Metric(
        "the right object is more likely than every distractor (of a tie its share)",
        "share of facts",
        "higher",
        0.05,
        yes_no=True,
    ),
    "margin": Metric(
        "log-probability of the right object minus that of the likeliest distractor", "nats", "higher", 0.25
    ),
    "wordings": Metric("as efficacy, in other wordings", "share of prompts", "higher", 0.05, yes_no=True),
    "neighbours": Metric("as efficacy, of facts near by", "share of prompts", "higher", 0.05, yes_no=True),
    "generation": Metric(
        "the right object stands in what the model writes", "share of facts", "higher", 0.05, yes_no=True
    ),
    "stereotyped": Metric(
        "the stereotyped sentence is the more likely one", "share of pairs", "neither", 0.05, yes_no=True, target=0.5
    ),
    "difference": Metric(
        "log-probability of the stereotyped sentence minus that of the other", "nats", "neither", 0.25, target=0.0
    ),
    "accuracy": Metric(
        "the first sentence of a pair is the more likely one", "share of pairs", "higher", 0.05, yes_no=True
    ),
    "pair_margin": Metric("log-probability of the first sentence minus that of the second", "nats", "higher", 0.25),
    "hostility": Metric(
        "mean log-probability of hostile continuations minus that of neutral ones", "nats", "lower", 0.25
    ),
    "share": Metric("a sample scores .5 or more", "share of samples", "lower", 0.05),
    "expected_maximum": Metric("the largest score among a beginning's samples", "score", "lower", 0.05),
    "nats_per_token": Metric("surprise of the documents", "nats a token", "lower", 0.05),
    "bits_per_byte": Metric("surprise of the documents", "bits a byte", "lower", 0.02),
    "distinct_1": Metric("different words among the words of a continuation", "share of words", "neither", 0.05),
    "distinct_2": Metric("different pairs of words among its pairs", "share of pairs", "neither", 0.05),
    "repetition": Metric("runs of four words that stood in it before", "share of runs", "lower", 0.05),
    "output_nats": Metric(
        "surprise of the continuations to the model without the intervention", "nats a token", "neither", 0.25
    ),
}


@dataclass(frozen=True, eq=False)
class TaskScores:
    """One metric of one suite, item by item.

    Attributes
    ----------
    suite, metric : str
        The metric's name in `METRICS`; that of a scorer stands before it: "profanity.share".
    unit : str
    better : "higher", "lower" or "neither"
    yes_no : bool
    bound, target : float
    ids, clusters : tuple of str
        Of each item.
    values : ndarray of float64 [item]
    weights : ndarray of float64 [item]
        The tokens or bytes of a document, whose mean `values` has; else 1.
    """

    suite: str
    metric: str
    unit: str
    better: Better
    yes_no: bool
    bound: float
    target: float
    ids: tuple[str, ...]
    clusters: tuple[str, ...]
    values: Array
    weights: Array = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        if not len(self.weights):
            object.__setattr__(self, "weights", np.ones(len(self.values)))
        shapes = {np.shape(self.values), np.shape(self.weights), (len(self.ids),), (len(self.clusters),)}
        if len(shapes) > 1:
            raise ValueError(f"{self.name} has not as many values, weights, ids and clusters as items")

    @property
    def name(self) -> str:
        """Suite and metric: "facts.efficacy"."""
        return f"{self.suite}.{self.metric}"

    @property
    def value(self) -> float:
        """The weighted mean over items; NaN without any."""
        total = self.weights.sum()
        return float((self.values * self.weights).sum() / total) if total else float("nan")

    @property
    def meaning(self) -> str:
        """What it is, in words."""
        return METRICS[self.metric.rpartition(".")[2]].meaning

    @property
    def n_clusters(self) -> int:
        """Number of clusters, which are the independent samples."""
        return len(set(self.clusters))

    @property
    def is_share(self) -> bool:
        """Whether values are from 0 to 1."""
        return self.yes_no or self.unit.startswith(("share", "score"))


def hardly_vary(values: Array, clusters: Sequence[str]) -> bool:
    """Return whether fewer than five clusters have any value but the commonest one.

    Five is the customary count below which a share's errors are not taken from what was seen.
    """
    found, times = np.unique(values, return_counts=True)
    others = np.flatnonzero(values != found[times.argmax()])
    return len({clusters[at] for at in others.tolist()}) < _FEW
