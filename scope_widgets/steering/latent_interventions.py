"""Interventions on a latent of a sparse autoencoder: clamp it, or scale it; what the autoencoder lacks stays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from scope_widgets._untrusted import opening
from scope_widgets.experiments.same_model import is_same_model
from scope_widgets.experiments.sae_latent import HasLatents, Latent, activations, shift_and_scale
from scope_widgets.models.microscope import Microscope
from scope_widgets.steering.intervention import Change, Intervention, SteeredPositions, round_up

#: how far a slider goes, in units of the largest activation on the prompt
_REACH = 3.0


class _OfLatent(Intervention):
    """What interventions on a latent share."""

    sae: HasLatents
    latent: int
    label: str

    def __post_init__(self) -> None:
        if not callable(getattr(self.sae, "latent", None)):
            raise TypeError(
                f"Expected a sparse autoencoder, such as features.load(...) returns, and a latent of it; got "
                f"{opening(self.sae)}."
            )
        if not isinstance(self.label, str):
            raise TypeError(f"label= is a text; got {opening(self.label)}.")
        own = self.sae.latent(self.latent)
        if own.site != own.output_site:
            raise ValueError(
                f"{own!r} is of a transcoder, which reads '{own.site}' and writes '{own.output_site}': a latent is "
                "clamped or scaled where it is read. Add what it writes instead: "
                f"steering.AddDirection(sae.direction({own.index}), ...)."
            )
        object.__setattr__(self, "sae", own)
        object.__setattr__(self, "latent", own.index)
        self._normalise()

    @property
    def _own(self) -> Latent:
        return self.sae.latent(self.latent)

    @property
    def layer(self) -> int:  # type: ignore[override]
        """The layer that the autoencoder is of."""
        return self._own.layer

    @property
    def site(self) -> str:  # type: ignore[override]
        """The quantity that the autoencoder is of."""
        return self._own.site

    @property
    def together(self) -> str:
        """Latents of one autoencoder are read before any of them is changed."""
        return self._own.sae

    def check(self, scope: Microscope) -> None:
        """Raise ValueError where the autoencoder is not one of this model."""
        own = self._own
        last = scope.n_layers - (own.site != "residual")
        if not 0 <= own.layer <= last:
            raise ValueError(f"{own!r} is of layer {own.layer}; '{own.site}' of {scope.model_id} has 0 to {last}.")
        if not scope.anatomy.has(own.site, min(own.layer, scope.n_layers - 1)):
            raise ValueError(scope.anatomy.missing(own.site, own.layer))
        width = scope.d_model if own.site != "z" else scope.n_heads * scope.d_head
        if own.d_in != width:
            raise ValueError(
                f"{own!r} reads {own.d_in} numbers and '{own.site}' of {scope.model_id} has {width}: it is of another "
                "model, or of another site."
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
        return self.change_together(value, [Change(self, strength, where)], positions)

    def change_together(self, value: Tensor, changes: Sequence[Change], positions: Tensor) -> Tensor:
        """See `Intervention.change_together`.

        What the activations become less what they are, times their decoder rows, is added: as if the codes were changed
        in a model in which the reconstruction and what it lacks stand in the place of the value.
        """
        steered = torch.stack([one.where for one in changes]).any(0)
        flat = value.flatten(2)  # of heads side by side
        rows = flat[steered] if self._own.k is not None else flat.flatten(0, 1)  # ranking among all latents is dear
        latents = list({one.intervention._own.index: one.intervention._own for one in changes}.values())  # type: ignore[attr-defined]
        shape = steered.shape
        was: dict[int, Tensor] = {}
        for latent, found in zip(latents, activations(latents, rows), strict=True):
            if self._own.k is None:
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
        if self._own.normalisation != "none":
            scale = shift_and_scale(flat.flatten(0, 1).float(), self._own.normalisation)[1]
            added = added * scale.reshape(*shape, 1)
        changed = torch.where(steered[..., None], (flat + added).to(value.dtype), flat)
        return changed.reshape(value.shape)

    def _arguments(self) -> Sequence[str]:
        return ["sae", str(self.latent), *([f"label={self.label!r}"] if self.label else [])]

    def _named(self, what: str) -> str:
        return f"{what} {self.layer}.{self.latent}{f' ({self.label})' if self.label else ''}"


@dataclass(frozen=True, eq=False)
class ClampFeature(_OfLatent):
    """Set the activation of a latent of a sparse autoencoder to the strength.

    Of the activation `x` that the autoencoder encodes, only the latent's own part is changed: with `a` what it is
    there and `w` its decoder row, `x + (strength - a) w`. So what the autoencoder lacks stays, and without a change
    the model is as it is. Several latents of one autoencoder are read before any of them is changed.

    Parameters
    ----------
    sae : SAE
        Such as `features.load` returns. The intervention keeps of it what this latent needs: few vectors, but the
        whole encoder where its `k` strongest latents fire ("topk").
    latent : int
    strength : float
        The activation, in the autoencoder's units; NaN leaves the latent as it is. A dead latent can be clamped: what
        it writes is then added, whatever that does.
    positions : "all", "last" or (start, stop)
        See `Intervention`.
    label : str
        What it stands for, in a word, for its name.

    Raises
    ------
    TypeError, ValueError
        For what is no autoencoder, a latent that there is not, a transcoder, an infinite strength, or other positions.

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
        """From 0 to 10; a session measures it by the latent's activations on its prompt."""
        return 0.0, 10.0

    def span_on(self, value: Tensor) -> tuple[float, float]:
        """From 0 to three times its largest activation; where it does not fire, to what is as long as the value."""
        own, rows = self._own, value.flatten(2).flatten(0, 1)
        largest = float(activations([own], rows)[0].max())
        if largest > 0:
            return 0.0, round_up(_REACH * largest)
        norm = float(own.decoder.float().norm())
        if own.normalisation == "none":
            length = float(rows.float().norm(dim=1).median())
        else:
            length = float(own.d_in**0.5)
        reach = length / norm if norm > 0 else 0.0
        return 0.0, round_up(reach) if 0 < reach < math.inf else 10.0

    def changed(self, activation: Tensor, strength: Tensor) -> Tensor:
        """Return the strength where it is not NaN."""
        return torch.where(strength.isnan(), activation, strength)


@dataclass(frozen=True, eq=False)
class ScaleFeature(_OfLatent):
    """Multiply the activation of a latent of a sparse autoencoder by the strength.

    Where it does not fire nothing is changed; see `ClampFeature`, which also says what stays.

    Parameters
    ----------
    sae : SAE
    latent : int
    strength : float
        1 is the model as it is, 0 the latent ablated, 2 its activation doubled.
    positions : "all", "last" or (start, stop)
        See `Intervention`.
    label : str
        What it stands for, in a word, for its name.

    Raises
    ------
    TypeError, ValueError
        For what is no autoencoder, a latent that there is not, a transcoder, a strength that is not finite, or other
        positions.

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
