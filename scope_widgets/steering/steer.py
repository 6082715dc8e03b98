"""`steer`: interventions on every forward that runs in a `with` block."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from scope_widgets.experiments.applied_to import applied_to
from scope_widgets.models.execution.activation_edits import Edits
from scope_widgets.models.execution.persistent_edits import PersistentEdits
from scope_widgets.models.guards.restore_on_exit import with_block
from scope_widgets.models.input_device import input_device
from scope_widgets.models.microscope import Microscope, loaded
from scope_widgets.steering.apply_interventions import checked_interventions, edits_of, needed_by, points_of
from scope_widgets.steering.intervention import Intervention, is_neutral


@with_block
def steer(scope: Microscope, *interventions: Intervention) -> Iterator[None]:
    """Steer whatever the block runs: the model itself, its `generate`, `scope.trace`, `scope.watch`, `scope.generate`.

    The model is as it was when the block ends, also by an error. Interventions at strengths that change nothing are
    left out, so that without any other the model runs as if it were not in the block, bit for bit. Padding is
    recognised by the attention mask, and where the prompt ends by what `generate` is given, whatever cache it uses and
    however it goes through prompt and drafts. In a loop of your own the first forward holds the prompt, and each token
    that goes on from its cache was generated; without a cache each forward is a prompt of its own. What torch.compile
    has compiled runs uncompiled in the block: a graph does not know of interventions that came later.

    Parameters
    ----------
    scope : Microscope
        Of a model on this machine.
    *interventions : Intervention
        In a forward they act in the order of their layers; those at one layer and site in the order given.

    Raises
    ------
    TypeError, ValueError
        For an intervention that this model cannot have; inside the block, by a forward that does not show where its
        prompt ends, where an intervention needs to know.
    RuntimeError
        Inside the block, by runs that go on from the middle of another (patching, circuits, sessions), and by
        continuous batching.

    Examples
    --------
    >>> singular, plural = ["the dog", "the cat", "the bird"], ["the dogs", "the cats", "the birds"]
    >>> direction = steering.direction(scope, positive=plural, negative=singular, layer=3)
    >>> with steering.steer(scope, steering.AddDirection(direction, 0.3), steering.ScaleHead(3, 1, 0.5)):
    ...     text = scope.generate("the horse", max_new_tokens=4)
    """
    loaded(scope, "steer()")
    listed: Sequence[Intervention] = interventions
    if len(interventions) == 1 and isinstance(interventions[0], list | tuple):
        warnings.warn(
            "steer() takes each intervention as an argument, steer(scope, *interventions); a list of them will be "
            "refused in 0.3.",
            DeprecationWarning,
            stacklevel=3,
        )
        listed = interventions[0]
    active = [one for one in checked_interventions(scope, listed) if one.active]
    if not active:
        yield
        return
    with persistent_edits(scope, active, [[one.strength for one in active]]).on():
        yield


@applied_to.register
def _(change: Intervention, scope: Microscope, *others: Intervention) -> AbstractContextManager[None]:
    return steer(scope, change, *others)


def persistent_edits(
    scope: Microscope, interventions: Sequence[Intervention], rows: Sequence[Sequence[float]]
) -> PersistentEdits:
    """Return the edits that do these at strengths `[row][intervention]`; one row is for all rows of a batch."""
    kept = [i for i, one in enumerate(interventions) if not all(is_neutral(one, row[i]) for row in rows)]
    chosen = [interventions[i] for i in kept]
    strengths = torch.tensor([[row[i] for i in kept] for row in rows], device=input_device(scope.model))

    def edits_at(positions: Tensor, lengths: Tensor) -> Edits:
        return edits_of(chosen, strengths.expand(len(positions), -1), positions, lengths)

    return PersistentEdits(scope, points_of(chosen), edits_at, needed_by(chosen))
