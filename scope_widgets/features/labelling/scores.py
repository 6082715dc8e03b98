"""How well predictions say where a latent fires: balanced accuracies and their interval."""

from __future__ import annotations

from dataclasses import dataclass

from scope_widgets._types import Array
from scope_widgets.experiments.statistics.wilson_interval import wilson


@dataclass(frozen=True)
class Accuracy:
    """Right answers where something is, and where it is not.

    Attributes
    ----------
    right, of : int
        Where it is.
    right_without, of_without : int
        Where it is not.
    """

    right: int
    of: int
    right_without: int
    of_without: int

    @classmethod
    def count(cls, said: Array, true: Array) -> Accuracy:
        """Return the counts of what was said and what is true, bools of one shape."""
        return cls(*(int(one) for one in ((said & true).sum(), true.sum(), (~said & ~true).sum(), (~true).sum())))

    @property
    def balanced(self) -> float:
        """The mean of the share that is right where it is and where it is not; NaN without one of them."""
        if not self.of or not self.of_without:
            return float("nan")
        return (self.right / self.of + self.right_without / self.of_without) / 2

    def interval(self, n: int, n_without: int) -> tuple[float, float]:
        """Return the 95 % interval of the balanced accuracy: Wilson's of both shares, put together (Newcombe 1998).

        `n` and `n_without` are how many of the answers, at most, are independent.
        """
        if not self.of or not self.of_without:
            return float("nan"), float("nan")
        low, high = 0.0, 0.0
        for right, of, most in ((self.right, self.of, n), (self.right_without, self.of_without, n_without)):
            bottom, top = wilson(right / of, min(of, most))
            low += (right / of - bottom) ** 2
            high += (top - right / of) ** 2
        return self.balanced - low**0.5 / 2, self.balanced + high**0.5 / 2
