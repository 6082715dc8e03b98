"""What latents of "topk" are on a session's prompt: measured once, so that no slider's move sends their encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from scope_widgets._job import Steps
from scope_widgets.experiments.sae_latent import Latent, activations
from scope_widgets.models.execution.activation_edits import HookPoint
from scope_widgets.models.microscope import Microscope
from scope_widgets.models.remote_dispatch import remotable
from scope_widgets.steering.apply_interventions import STEERABLE_SITES
from scope_widgets.steering.intervention import Intervention
from scope_widgets.steering.latent_interventions import OfLatent


def measured_on(
    scope: Microscope, ids: list[int], interventions: Sequence[Intervention]
) -> Steps[tuple[Intervention, ...]]:
    """Return interventions of which latents of "topk" know what they are on a prompt, and have no encoder."""
    made = list(interventions)
    latent = [(at, one) for at, one in enumerate(made) if isinstance(one, OfLatent)]
    ranked = [(at, one) for at, one in latent if one.own.k is not None and one.own.known is None]
    if ranked:
        asked = [one.own for _, one in ranked]
        found = yield from scope.submit(prompt_activations, scope, ids, asked).follow()
        for (at, one), known in zip(ranked, found, strict=True):
            own = replace(one.own, encoders=None, biases=None, known=known)
            made[at] = replace(one, sae=own)  # type: ignore[type-var]
    return tuple(made)


def known_where_unchanged(
    interventions: Sequence[Intervention], measured: Sequence[Intervention]
) -> tuple[Intervention, ...]:
    """Return the measured ones, and where another intervention changes what a latent reads the one that was given."""

    def is_before(other: Intervention, one: Intervention) -> bool:
        places = [(each.layer, STEERABLE_SITES.index(site)) for each, site in ((other, other.site), (one, one.reads))]
        return other.together != one.together and places[0] <= places[1]

    return tuple(
        one if one is known or any(is_before(other, one) for other in interventions if other is not one) else known
        for one, known in zip(interventions, measured, strict=True)
    )


@remotable
def prompt_activations(scope: Microscope, ids: list[int], latents: list[Latent]) -> list[Tensor]:
    """Return what each latent is on each token of a prompt `[position]`; those of one autoencoder are ranked once."""
    values: dict[HookPoint, Tensor] = {}

    def capture(value: Tensor, of: HookPoint) -> Tensor:
        values[of] = value
        return value

    points = {(one.site, one.layer) for one in latents}
    scope.logits(torch.tensor([ids]), {point: partial(capture, of=point) for point in points})
    found: dict[int, Tensor] = {}
    for sae in dict.fromkeys(one.sae for one in latents):
        some = [at for at, one in enumerate(latents) if one.sae == sae]
        x = values[latents[some[0]].site, latents[some[0]].layer].flatten(2)[0]
        for at, value in zip(some, activations([latents[at] for at in some], x), strict=True):
            found[at] = value.float().cpu()
    return [found[at] for at in range(len(latents))]
