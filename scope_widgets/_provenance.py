"""`Provenance`: where a result came from."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from scope_widgets._version import __version__


@cache
def versions() -> dict[str, str]:
    """Return the versions of what a figure depends on."""
    found = {"python": platform.python_version(), "scope-widgets": __version__}
    for package in ("torch", "transformers", "nnsight", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True)
class Provenance:
    """Where a result came from.

    Attributes
    ----------
    model : str
        Hub id or folder name; "local" where the user's own model has none.
    revision : str or None
        Commit of the weights where they came from a hub.
    prompts : tuple of str
    seed : int or None
        None where nothing was random.
    ablation : str or None
        What was taken away, over what and at which positions; None where nothing was.
    note : str
        Anything else that a reader must know, as a sentence.
    versions : dict
        Versions of this package and of those it computes with.
    """

    model: str
    revision: str | None = None
    prompts: tuple[str, ...] = ()
    seed: int | None = None
    ablation: str | None = None
    note: str = ""
    versions: dict[str, str] = field(default_factory=versions)

    def lines(self) -> list[str]:
        """Return it in a few lines, as a caption."""
        model = self.model if self.revision is None else f"{self.model} at {self.revision[:12]}"
        shown = f"{len(self.prompts)} prompts" if len(self.prompts) > 1 else " ".join(self.prompts)[:200]
        parts = [model, shown, "" if self.seed is None else f"seed {self.seed}", self.ablation or "", self.note]
        used = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        return [part for part in [*parts, used] if part]
