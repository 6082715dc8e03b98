"""What a training run is told, checked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from scope_widgets._check_choice import check_choice, checked_count, checked_number

Architecture = Literal["batch_topk", "topk", "matryoshka", "jumprelu", "gated"]


@dataclass(frozen=True)
class Settings:
    """What a training run is told.

    Attributes
    ----------
    d_sae, k, architecture, steps, batch, seed, learning_rate, skip
        As `features.train` takes them.
    """

    d_sae: int
    k: int
    architecture: Architecture
    steps: int
    batch: int
    seed: int
    learning_rate: float
    skip: bool = False

    def __post_init__(self) -> None:
        check_choice("architecture", self.architecture, Architecture)
        for name in ("d_sae", "k", "steps", "batch"):
            object.__setattr__(self, name, checked_count(name, getattr(self, name)))
        if self.k > self.d_sae:
            raise ValueError(f"k={self.k} latents of a row cannot fire where there are d_sae={self.d_sae}: take fewer.")
        object.__setattr__(self, "learning_rate", checked_number("learning_rate", self.learning_rate))

    def to_dict(self) -> dict[str, Any]:
        """Return them as JSON knows them."""
        return asdict(self)

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step: it rises over the first twentieth and falls to 0 over the last fifth."""
        warm, fall = max(1, min(1000, self.steps // 20)), max(1, self.steps // 5)
        return self.learning_rate * min(1.0, (step + 1) / warm, (self.steps - step) / fall)
