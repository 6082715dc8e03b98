"""`StrengthSweep`: what one slider does from one end to the other, and how far the text stays fluent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from scope_widgets._aliases import former_options
from scope_widgets._chart import Charted
from scope_widgets._job import JobStatus, Steps
from scope_widgets._provenance import Provenance
from scope_widgets._types import Array
from scope_widgets.experiments.statistics.rounding import levels, logit_floor, rank, vanishes
from scope_widgets.models.remote_dispatch import stepwise
from scope_widgets.steering.session import Session, StrengthRow

if TYPE_CHECKING:
    import pandas as pd

#: nats a token by which the loss on the unsteered continuation may rise; a convention, not a finding
FLUENT = 1.0
#: tokens of that continuation
CONTINUATION = 16
POINTS = 11


@dataclass(frozen=True, eq=False, repr=False)
class StrengthSweep(Charted):
    """One intervention at several strengths, the others held.

    Attributes
    ----------
    what : str
        Name of the intervention that is moved.
    strengths : ndarray [point]
        Rising.
    neutral : float
        The strength at which it does nothing; NaN where there is none.
    kl : ndarray [point]
        Divergence of the next-token distribution from that of the model as it is, in nats.
    difference : ndarray [point]
        Logit difference of the session's answers; NaN without.
    loss : ndarray [point]
        By how much the steered model's loss on the unsteered continuation exceeds the unsteered model's, in nats a
        token.
    limit : float
        What `loss` may be for the text to count as fluent.
    continuation : str
        The unsteered one (greedy).
    provenance : Provenance
    floor : float
        What rounding alone may make of `difference`.
    """

    chart: ClassVar[str] = "scope_widgets.widgets.figures.charts:StrengthChart"
    plotted_by: ClassVar[str] = "scope_widgets.plots.steering:strength_sweep"
    former_names = ("Sweep",)

    what: str
    strengths: Array
    neutral: float
    kl: Array
    difference: Array
    loss: Array
    limit: float
    continuation: str
    provenance: Provenance
    floor: float = 0.0

    @property
    def fluent(self) -> tuple[float, float] | None:
        """The range of strengths around the neutral one within which all points are fluent; None where none is.

        Without a neutral strength (a neuron that is clamped): around the point with the least loss.
        """
        fine = self.loss <= self.limit
        if np.isnan(self.neutral):
            start = int(rank(-self.loss)[0])
        else:
            start = int(np.argmin(np.abs(self.strengths - self.neutral)))
        if not fine[start]:
            return None
        low = high = start
        while low > 0 and fine[low - 1]:
            low -= 1
        while high + 1 < len(fine) and fine[high + 1]:
            high += 1
        return float(self.strengths[low]), float(self.strengths[high])

    @property
    def spearman(self) -> float:
        """Rank correlation of strength and logit difference within the fluent range; NaN without, see `message`."""
        from scipy.stats import spearmanr

        if self.message:
            return float("nan")
        # differences that rounding makes are ties
        return float(
            spearmanr(self.strengths[self._inside], levels(self.difference[self._inside], self.floor)).statistic
        )

    @property
    def message(self) -> str:
        """Why there is no rank correlation; else empty."""
        if np.isnan(self.difference).any():
            return "There is no rank correlation without answer= and versus=, whose logit difference is measured."
        if self._inside.sum() < 3:
            return "There is no rank correlation: fewer than three strengths are fluent."
        if vanishes(np.ptp(self.difference[self._inside]), self.floor):
            return (
                f"There is no rank correlation: {self.what} moves the logit difference by "
                f"{np.ptp(self.difference[self._inside]):.2g}, which rounding does too."
            )
        return ""

    @property
    def _inside(self) -> Array:
        """Which points are in the fluent range."""
        low, high = self.fluent or (np.inf, -np.inf)
        return (self.strengths >= low) & (self.strengths <= high)

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table, a row a point: strength, kl, difference, loss, fluent."""
        import pandas as pd

        columns = {"strength": self.strengths, "kl": self.kl, "difference": self.difference, "loss": self.loss}
        return pd.DataFrame({**columns, "fluent": self.loss <= self.limit})

    def __repr__(self) -> str:
        """Say what was moved and how far it may go."""
        fluent = "nowhere" if self.fluent is None else "from {:.3g} to {:.3g}".format(*self.fluent)
        return f"StrengthSweep({self.what}, {len(self.strengths)} strengths, fluent {fluent})"


@former_options("strengths", "others")
@stepwise
def sweep(
    session: Session,
    which: int | str = 0,
    *,
    strengths: Sequence[float] | None = None,
    others: StrengthRow | None = None,
) -> Steps[StrengthSweep]:
    """Move one intervention of a session over its strengths, the others held.

    Parameters
    ----------
    session : Session
    which : int or str, default 0
        Index or name of the intervention.
    strengths : sequence of float, optional
        By default 11 over its span.
    others : strengths as `Session.at` takes them, optional
        Those of the other interventions; by default their own.

    Returns
    -------
    StrengthSweep

    Raises
    ------
    ValueError
        For an intervention that the session does not have, fewer than two strengths, or one that is not finite.

    Examples
    --------
    >>> plural = steering.direction(scope, positive=["the dogs"], negative=["the dog"], layer=3, name="plural")
    >>> session = steering.Session(scope, "the horse", [steering.AddDirection(plural)], answer=" run", versus=" runs")
    >>> len(steering.sweep(session, "add plural").strengths)
    11
    """
    at = _index(session, which)
    one = session.interventions[at]
    points = np.linspace(*session.spans[at], POINTS).round(12) if strengths is None else _points(strengths)
    held = session.checked(others)
    keys = [(*held[:at], float(point), *held[at + 1 :]) for point in points]
    total = 2 + len(keys)
    yield JobStatus("running", "next tokens", 0, total)
    found = session.grid(keys)
    yield JobStatus("running", "the unsteered continuation", 1, total)
    tokens = session.unsteered_continuation(CONTINUATION)
    yield JobStatus("running", "loss on it", 2, total)
    base = session.losses([session.neutral], tokens)[0]
    losses: list[float] = []
    for key in keys:
        losses.append(session.losses([key], tokens)[0] - base)
        yield JobStatus("running", "loss on it", 2 + len(losses), total)
    return StrengthSweep(
        what=one.name,
        strengths=points,
        neutral=one.neutral,
        kl=np.array([each.kl for each in found]),
        difference=np.array([np.nan if each.difference is None else each.difference for each in found]),
        loss=np.array(losses),
        limit=FLUENT,
        continuation=session.scope.tokenizer.decode(tokens),
        provenance=Provenance(
            model=session.scope.model_id,
            revision=session.scope.revision,
            prompts=(str(session.prompt),),
            note=f"fluent: the loss on the unsteered continuation rises by {FLUENT} nats a token at most, a convention",
        ),
        floor=max(logit_floor(session.scope, each.logits) for each in found),
    )


def _points(strengths: Any) -> Array:
    try:
        points = np.array(strengths, dtype=float)
    except (TypeError, ValueError):
        points = np.empty(0)
    if points.ndim != 1 or len(points) < 2 or not np.isfinite(points).all():
        raise ValueError(f"strengths= takes two or more finite numbers; got {strengths!r}.")
    return np.sort(points)


def _index(session: Session, which: int | str) -> int:
    names = [one.name for one in session.interventions]
    if isinstance(which, str) and which in names:
        return names.index(which)
    if not isinstance(which, str) and hasattr(which, "__index__") and 0 <= which < len(names):
        return int(which)
    raise ValueError(f"There is no intervention {which!r}; there are {', '.join(names) or 'none'}.")
