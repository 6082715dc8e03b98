"""Patches: what is changed in the forwards that `inference` runs, while they are on. No weight is written."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from scope_widgets import steering
from scope_widgets.apps.workbench.api.problems import Problem

PatchKind = Literal["clamp", "scale", "add", "scale_head"]
MOST_PATCHES = 200


@dataclass(frozen=True)
class Patch:
    """A change of one latent, or of one head.

    Attributes
    ----------
    model : str
    kind : str
        "clamp" a latent's activation at the strength, "scale" it, "add" the latent's decoder row so many times, or
        "scale_head", what a head writes.
    sae : str
        Id of the autoencoder; "" of a head.
    feature, layer, head : int or None
    strength : float
    enabled : bool
    description : str
    """

    model: str
    kind: PatchKind
    strength: float
    sae: str = ""
    feature: int | None = None
    layer: int | None = None
    head: int | None = None
    enabled: bool = True
    description: str = ""
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    number: int = 0

    @property
    def key(self) -> tuple[Any, ...]:
        """What it does to a forward."""
        return (self.kind, self.sae, self.feature, self.layer, self.head, self.strength)

    def intervention(self, latents: Any) -> Any:
        """Return what the library calls it.

        Parameters
        ----------
        latents : SAE or FeatureIndex
            Whose latent it is; None of a head.
        """
        if self.kind == "scale_head":
            assert self.layer is not None
            assert self.head is not None
            return steering.ScaleHead(self.layer, self.head, self.strength)
        assert self.feature is not None
        if self.kind == "clamp":
            return steering.ClampFeature(latents, self.feature, self.strength)
        if self.kind == "scale":
            return steering.ScaleFeature(latents, self.feature, self.strength)
        return steering.AddDirection(getattr(latents, "sae", latents).direction(self.feature), self.strength)


class PatchList:
    """All patches of a server, in the order in which they were made; used on the server's thread.

    `listeners` hear of each change: what happened ("created", "updated", "toggled", "deleted"), and the patch.
    """

    def __init__(self) -> None:
        self._patches: OrderedDict[str, Patch] = OrderedDict()
        self._count = 0
        self.listeners: list[Callable[[str, Patch], None]] = []

    def all(self) -> list[Patch]:
        """Return all patches."""
        return list(self._patches.values())

    def get(self, id: str) -> Patch:
        """Return a patch, or raise a `Problem`."""
        if id not in self._patches:
            raise Problem(404, "There is no such patch: GET /api/v1/patches lists them.")
        return self._patches[id]

    def enabled(self, model: str) -> list[Patch]:
        """Return the patches of a model that are on."""
        return [one for one in self._patches.values() if one.enabled and one.model == model]

    def add(self, patch: Patch) -> Patch:
        """Put a patch at the end of the list."""
        if len(self._patches) >= MOST_PATCHES:
            raise Problem(409, f"There are {MOST_PATCHES} patches already: delete one first.")
        self._count += 1
        patch = replace(patch, number=self._count)
        self._patches[patch.id] = patch
        return self._told("created", patch)

    def change(self, id: str, what: str = "updated", **changes: Any) -> Patch:
        """Put other values in the place of some of a patch's."""
        patch = replace(self.get(id), **changes)
        self._patches[id] = patch
        return self._told(what, patch)

    def remove(self, id: str) -> Patch:
        """Take a patch off the list."""
        patch = self.get(id)
        del self._patches[id]
        return self._told("deleted", patch)

    def _told(self, what: str, patch: Patch) -> Patch:
        for listener in list(self.listeners):
            listener(what, patch)
        return patch
