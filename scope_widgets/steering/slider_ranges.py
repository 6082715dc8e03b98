"""The range of a slider for each intervention."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from scope_widgets.models.execution.activation_edits import HookPoint
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.steering.intervention import Intervention


@remotable
def slider_ranges(
    scope: Microscope, ids: list[int], interventions: Sequence[Intervention]
) -> list[tuple[float, float]]:
    """Return the range of a slider for each; those of neurons and latents are measured in one run of the prompt."""
    found = {at: one.span for at, one in enumerate(interventions)}
    measured = [at for at, one in enumerate(interventions) if one.kind == "clamp"]

    def capture(value: Tensor, of: HookPoint) -> Tensor:
        for at in measured:
            if (interventions[at].reads, interventions[at].layer) == of:
                found[at] = interventions[at].span_on(value)
        return value

    points = {(interventions[at].reads, interventions[at].layer) for at in measured}
    if points:
        scope.logits(torch.tensor([ids]), {point: partial(capture, of=point) for point in points})
    return [found[at] for at in range(len(interventions))]
