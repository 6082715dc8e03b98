"""`Adapter`: what a run tells another package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pandas as pd


class Adapter(Protocol):
    """A run of another package. It is made with the folder and name of ours, its config, and options of that package.

    Whatever it raises after it was made becomes a warning: what is in our folder does not depend on it.
    """

    def log(self, values: dict[str, Any], step: int) -> None:
        """Note values of a step: numbers, NaN and infinities too, texts, and plain lists and dicts."""

    def config(self, config: dict[str, Any]) -> None:
        """Note more of the config."""

    def table(self, name: str, frame: pd.DataFrame) -> None:
        """Note a table."""

    def file(self, name: str, path: Path) -> None:
        """Note a file: of a figure its page or picture."""

    def end(self, status: str) -> None:
        """End it: "done" or "failed"."""


def numbers_of(values: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """Return the numbers among values, those within dicts under names with dots."""
    found: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= numbers_of(value, f"{prefix}{name}.")
        elif isinstance(value, (bool, int, float)):
            found[f"{prefix}{name}"] = float(value)
    return found


def flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a config without dicts in dicts: names with dots, numbers and texts as they are, the rest as text."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value if isinstance(value, (bool, int, float, str)) else str(value)
    return found
