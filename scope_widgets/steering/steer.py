"""Steering whatever runs in a block, and continuing a prompt steered and unsteered side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from scope_widgets.models.execution.activation_edits import Edits
from scope_widgets.models.execution.persistent_edits import PersistentEdits
from scope_widgets.models.microscope import Microscope, loaded
from scope_widgets.steering.interventions import Intervention, checked, edits_of, is_neutral


@contextmanager
def steer(scope: Microscope, interventions: Intervention | Sequence[Intervention]) -> Iterator[None]:
    """Steer whatever the block runs: the model itself, its `generate`, `scope.trace`, `scope.watch`, `scope.generate`.

    The model is as it was when the block ends, also by an error. Interventions at strengths that change nothing are
    left out, so that without any other the model runs as if it were not in the block, bit for bit. Padding is
    told by the attention mask. A forward that goes on from a cache continues the prompt of the one before it; without
    a cache (`use_cache=False`) each forward is a prompt of its own, with its own last token.

    Raises
    ------
    TypeError, ValueError
        For an intervention that this model cannot have.
    RuntimeError
        Inside the block, by runs that go on from the middle of another (patching, circuits, sessions).

    Examples
    --------
    >>> with steering.steer(scope, steering.AddDirection(sentiment, 0.3)):  # doctest: +SKIP
    ...     text = scope.generate("I think that", max_new_tokens=20)
    """
    loaded(scope, "steer()")
    active = [one for one in checked(scope, interventions) if one.active]
    if not active:
        yield
        return
    with hooked(scope, active, [[one.strength for one in active]]).on():
        yield


def hooked(
    scope: Microscope, interventions: Sequence[Intervention], rows: Sequence[Sequence[float]]
) -> PersistentEdits:
    """Hook interventions with strengths `[row][intervention]`; one row is for all rows of a batch."""
    kept = [i for i, one in enumerate(interventions) if not all(is_neutral(one, row[i]) for row in rows)]
    chosen = [interventions[i] for i in kept]
    strengths = torch.tensor([[row[i] for i in kept] for row in rows], device=scope.model.device)

    def edits_at(positions: Tensor, lengths: Tensor) -> Edits:
        return edits_of(chosen, strengths.expand(len(positions), -1), positions, lengths)

    return PersistentEdits(scope, [(one.site, one.layer) for one in chosen], edits_at)
