"""Interventions on a latent of a sparse autoencoder: clamp it, or scale it; what the autoencoder lacks stays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from scope_widgets._untrusted import opening
from scope_widgets.experiments.sae_latent import HasLatents, Latent, activations, shift_and_scale
from scope_widgets.experiments.same_model import is_same_model
from scope_widgets.models.architecture.unembedding import n_inputs
from scope_widgets.models.execution.activation_edits import n_neurons
from scope_widgets.models.microscope import Microscope
from scope_widgets.steering.apply_interventions import STEERABLE_SITES
from scope_widgets.steering.intervention import Change, Intervention, SteeredPositions, round_up

#: how far a slider goes, in units of the largest activation on the prompt
_REACH = 3.0
#: where an autoencoder may be of
_SITES = tuple(site for site in STEERABLE_SITES if site != "attention")


class OfLatent(Intervention):
    """What interventions on a latent share."""

    sae: HasLatents
    latent: int
    label: str

    def __post_init__(self) -> None:
        if not callable(getattr(self.sae, "latent", None)):
            raise TypeError(
                "Expected a sparse autoencoder, such as features.load(...) returns, and a latent of it; got "
                f"{opening(self.sae)}."
            )
        if not isinstance(self.label, str):
            raise TypeError(f"label= is a text; got {opening(self.label)}.")
        own = self.sae.latent(self.latent)
        object.__setattr__(self, "sae", own)
        object.__setattr__(self, "latent", own.index)
        object.__setattr__(self, "label", self.label or own.label)
        self._normalise()

    @property
    def own(self) -> Latent:
        """The latent."""
        return self.sae.latent(self.latent)

    @property
    def layer(self) -> int:  # type: ignore[override]
        """The layer that the autoencoder is of."""
        return self.own.layer

    @property
    def site(self) -> str:  # type: ignore[override]
        """The quantity that the autoencoder is of; of a transcoder, what it makes."""
        return self.own.output_site

    @property
    def reads(self) -> str:
        """The quantity that is encoded."""
        return self.own.site

    @property
    def together(self) -> str:
        """Latents of one autoencoder are read before any of them is changed."""
        return self.own.sae

    def check(self, scope: Microscope) -> None:
        """Raise ValueError where the autoencoder is not one of this model."""
        own = self.own
        for site, width in ((own.site, own.d_in), (own.output_site, len(own.decoder))):
            _check_place(scope, own, site, width)
        if _SITES.index(own.site) > _SITES.index(own.output_site):
            raise ValueError(
                f"{own!r} reads '{own.site}' and writes '{own.output_site}', which a forward reaches first: it is not "
                "known there what the latent is."
            )
        if own.model and not is_same_model(own.model, scope.model_id):
            raise ValueError(
                f"{own!r} is of {own.model!r} and the model at hand is {scope.model_id!r}. Where both share a residual "
                "stream, as a model and its fine-tune do, give dataclasses.replace(sae, model=scope.model_id)."
            )

    def changed(self, activation: Tensor, strength: Tensor) -> Tensor:
        """Return what an activation `[row, position]` becomes at strengths `[row, 1]`."""
        raise NotImplementedError

    def change(self, value: Tensor, strength: Tensor, where: Tensor, positions: Tensor) -> Tensor:
        """See `Intervention.change`."""
        return self.change_together(value, [Change(self, strength, where, [])], positions)

    def change_together(self, value: Tensor, changes: Sequence[Change], positions: Tensor) -> Tensor:
        """See `Intervention.change_together`.

        What the activations become less what they are, times their decoder rows, is added: as if the codes were changed
        in a model in which the reconstruction and what it lacks stand in the place of the value.
        """
        if self.reads != self.site and not changes[0].read:
            raise RuntimeError(f"What {self.own!r} reads, '{self.reads}', is not known where '{self.site}' is changed.")
        steered = torch.stack([one.where for one in changes]).any(0)
        flat = value.flatten(2)  # of heads side by side
        encoded = changes[0].read[0].flatten(2).to(flat.device) if changes[0].read else flat
        # ranking among all latents is dear
        rows = encoded[steered] if self.own.k is not None else encoded.flatten(0, 1)
        latents = list({one.intervention.own.index: one.intervention.own for one in changes}.values())  # type: ignore[attr-defined]
        shape = steered.shape
        was: dict[int, Tensor] = {
            one.index: torch.where(steered, one.known.to(flat.device)[positions.to(flat.device)], 0.0)
            for one in latents
            if one.known is not None
        }
        for latent, found in () if was else zip(latents, activations(latents, rows), strict=True):
            if self.own.k is None:
                was[latent.index] = found.float().reshape(shape)
            else:
                was[latent.index] = torch.zeros(shape, device=flat.device).masked_scatter(steered, found.float())
        now = dict(was)
        for one in changes:
            own: Any = one.intervention
            new = own.changed(now[own.latent], one.strength.to(flat.device, torch.float32)[:, None])
            now[own.latent] = torch.where(one.where, new, now[own.latent])
        added = sum(
            (now[one.index] - was[one.index])[..., None] * one.decoder.to(flat.device, torch.float32) for one in latents
        )
        if self.own.normalisation != "none":
            scale = shift_and_scale(encoded.flatten(0, 1).float(), self.own.normalisation)[1]
            added = added * scale.reshape(*shape, 1)
        changed = torch.where(steered[..., None], (flat + added).to(value.dtype), flat)
        return changed.reshape(value.shape)

    def code(self, sae: str = "sae") -> str:
        """Return a Python expression that makes it again, in terms of `steering` and a variable with the SAE."""
        return super().code().replace("(sae, ", f"({sae}, ", 1)

    def _arguments(self) -> Sequence[str]:
        return ["sae", str(self.latent), *([f"label={self.label!r}"] if self.label else [])]

    def _named(self, what: str) -> str:
        return f"{what} {self.layer}.{self.latent}{f' ({self.label})' if self.label else ''}"


def _check_place(scope: Microscope, own: Latent, site: str, width: int) -> None:
    """Raise ValueError where a model has no such site at the latent's layer, or one of another width."""
    if site not in _SITES:
        raise ValueError(f"{own!r} is of '{site}', which cannot be steered; what can are {', '.join(_SITES)}.")
    last = scope.n_layers - (site != "residual")
    if not 0 <= own.layer <= last:
        raise ValueError(f"{own!r} is of layer {own.layer}; '{site}' of {scope.model_id} has 0 to {last}.")
    block = scope.anatomy.blocks[min(own.layer, scope.n_layers - 1)]
    if not block.has(site):
        raise ValueError(scope.anatomy.missing(site, own.layer))
    wanted = scope.d_model
    if site in ("z", "neurons"):
        wanted = n_inputs(block.out) if site == "z" and block.out is not None else n_neurons(block)
    if width != wanted:
        raise ValueError(
            f"{own!r} is of {width} numbers and '{site}' of {scope.model_id} has {wanted}: it is of another model, or "
            "of another site."
        )


@dataclass(frozen=True, eq=False)
class ClampFeature(OfLatent):
    """Set the activation of a latent of a sparse autoencoder to the strength.

    Of the activation `x` that the autoencoder encodes, only the latent's own part is changed: with `a` what it is
    there and `w` its decoder row, `x + (strength - a) w`. So what the autoencoder lacks stays, and without a change
    the model is as it is. Of a transcoder `x` is what it makes, and `a` is read where it encodes. Several latents of
    one autoencoder are read before any of them is changed.

    Parameters
    ----------
    sae : SAE or FeatureIndex
        Such as `features.load` returns; an index knows its label, whether it is dead, and how far its slider goes. The
        intervention keeps what this latent needs: few vectors, but the whole encoder where the `k` strongest latents
        fire ("topk"), which a model on a server gets when a session begins and with each text that is written on.
    latent : int
    strength : float
        The activation, in the autoencoder's units; NaN leaves the latent as it is. A dead latent can be clamped: what
        it writes is then added, whatever that does.
    positions : "all", "last" or (start, stop)
        See `Intervention`.
    label : str
        What it stands for, in a word, for its name; by default what an index says.

    Raises
    ------
    TypeError, ValueError
        For what is no autoencoder, a latent that there is not, an infinite strength, or other positions.

    References
    ----------
    Templeton et al. 2024, "Scaling monosemanticity", on steering with what the autoencoder lacks added back.

    Examples
    --------
    >>> sae = features.load("demo")
    >>> session = steering.Session(scope, "the horse", [steering.ClampFeature(sae, 3, 10.0)])
    >>> session.at().kl > 0, session.at([float("nan")]).kl
    (True, 0.0)
    """

    kind = "clamp"
    neutral = math.nan

    sae: HasLatents
    latent: int
    strength: float = 0.0
    positions: SteeredPositions = "all"
    label: str = ""

    @property
    def name(self) -> str:
        """A short name, such as "latent 12.345"."""
        return self._named("latent")

    @property
    def span(self) -> tuple[float, float]:
        """From 0 to the largest activation that an index knows, or 10; a session measures it on its prompt, too."""
        return 0.0, round_up(self.own.largest) if self.own.largest > 0 else 10.0

    def span_on(self, value: Tensor) -> tuple[float, float]:
        """From 0 to three times its largest activation, and as far as an index knows.

        Where it does not fire and no index is known: to what is as long as the value.
        """
        own, rows = self.own, value.flatten(2).flatten(0, 1)
        largest = float((activations([own], rows)[0] if own.known is None else own.known).max())
        if max(largest, own.largest) > 0:
            return 0.0, round_up(max(_REACH * largest, own.largest))
        norm = float(own.decoder.float().norm())
        plain = own.normalisation == "none"
        length = float(rows.float().norm(dim=1).median()) if plain else float(own.d_in**0.5)
        reach = length / norm if norm > 0 else 0.0
        return 0.0, round_up(reach) if 0 < reach < math.inf else 10.0

    def changed(self, activation: Tensor, strength: Tensor) -> Tensor:
        """Return the strength where it is not NaN."""
        return torch.where(strength.isnan(), activation, strength)


@dataclass(frozen=True, eq=False)
class ScaleFeature(OfLatent):
    """Multiply the activation of a latent of a sparse autoencoder by the strength.

    Where it does not fire nothing is changed; see `ClampFeature`, which also says what stays.

    Parameters
    ----------
    sae : SAE or FeatureIndex
    latent : int
    strength : float
        1 is the model as it is, 0 the latent ablated, 2 its activation doubled.
    positions : "all", "last" or (start, stop)
        See `Intervention`.
    label : str
        What it stands for, in a word, for its name; by default what an index says.

    Raises
    ------
    TypeError, ValueError
        For what is no autoencoder, a latent that there is not, a strength that is not finite, or other positions.

    Examples
    --------
    >>> sae = features.load("demo")
    >>> trace = scope.trace("When Mary and John went to the store")
    >>> fires = int(sae.encode(trace.residual(sae.layer)).indices[-1])
    >>> session = steering.Session(scope, "When Mary and John went to the store", [steering.ScaleFeature(sae, fires)])
    >>> session.at([0.0]).kl > 0, session.at([1.0]).kl
    (True, 0.0)
    """

    kind = "scale"
    neutral = 1.0

    sae: HasLatents
    latent: int
    strength: float = 0.0
    positions: SteeredPositions = "all"
    label: str = ""

    @property
    def name(self) -> str:
        """A short name, such as "scale latent 12.345"."""
        return self._named("scale latent")

    @property
    def span(self) -> tuple[float, float]:
        """From ablated to three times as much."""
        return 0.0, _REACH

    def changed(self, activation: Tensor, strength: Tensor) -> Tensor:
        """Return the activation times the strength."""
        return activation * strength


def lines_of_code(interventions: Sequence[Intervention]) -> list[str]:
    """Return the expressions of interventions, after comments that say which autoencoders their variables hold.

    The variable is `sae`, or with several autoencoders `sae_1`, `sae_2`, ...
    """
    saes = {one.together: one.own for one in interventions if isinstance(one, OfLatent)}
    names = {sae: "sae" if len(saes) == 1 else f"sae_{number}" for number, sae in enumerate(saes, 1)}
    comments = [
        f"# {names[sae]} is the SAE {sae} of {one.n_latents:,} latents, '{one.site}' of layer {one.layer}, that "
        "features.load() returned"
        for sae, one in saes.items()
    ]
    made = [one.code(names[one.together]) if isinstance(one, OfLatent) else one.code() for one in interventions]
    return [*comments, "interventions = [", *(f"    {one}," for one in made), "]"]
