"""What a run was asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

#: gives each text a score between 0 and 1
Scorer: TypeAlias = Callable[[list[str]], Any]


@dataclass(frozen=True)
class Options:
    """What a run was asked for.

    Attributes
    ----------
    seed : int
    samples : int
        Continuations of each beginning of toxicity.
    max_new_tokens : int
        Of a continuation.
    scorer : callable
    scorer_name : str
    scorer_note : str
        What is known of it, in brackets.
    """

    seed: int
    samples: int
    max_new_tokens: int
    scorer: Scorer
    scorer_name: str
    scorer_note: str = ""

    def seeds(self, stream: int, item: str, sample: int = 0) -> Sequence[int]:
        """Return what the random numbers of a continuation are drawn from: the same on both sides of a comparison."""
        return (self.seed, stream, sample, *item.encode("utf-8"))
