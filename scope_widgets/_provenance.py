"""`Provenance`: where a result came from."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from scope_widgets._reproducing_calls import is_known_call
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
    calls : tuple of str
        The Python calls that make it again, one after the other, in terms of `scope` and of what the calls before made
        (`trace`, `scores`). A result of a function that does not note its call has those of what it was computed from.
        Empty where none is known.
    """

    model: str
    revision: str | None = None
    prompts: tuple[str, ...] = ()
    seed: int | None = None
    ablation: str | None = None
    note: str = ""
    versions: dict[str, str] = field(default_factory=versions)
    calls: tuple[str, ...] = ()

    def then(self, call: str, **changes: Any) -> Provenance:
        """Return the provenance of what a call made of this, with other `changes`."""
        return replace(self, calls=(*self.calls, call), **changes)

    def check_read(self) -> None:
        """Raise ValueError where a file says calls that no result has: they become code."""
        for call in self.calls:
            if not is_known_call(call):
                raise ValueError(f"calls of a Provenance are calls of known functions with literals; got {call[:80]!r}")

    def lines(self) -> list[str]:
        """Return it in a few lines, as a caption."""
        model = self.model if self.revision is None else f"{self.model} at {self.revision[:12]}"
        shown = f"{len(self.prompts)} prompts" if len(self.prompts) > 1 else " ".join(self.prompts)[:200]
        parts = [model, shown, "" if self.seed is None else f"seed {self.seed}", self.ablation or "", self.note]
        used = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        return [part for part in [*parts, used] if part]
