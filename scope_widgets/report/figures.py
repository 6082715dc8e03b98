"""Figures of a report: results with a heading, which a page shows as live views; files beside documentation.json."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from scope_widgets._files import write_text
from scope_widgets._result import Result
from scope_widgets._untrusted import check_text, json_text, opening, parse_json, read_text

_FOLDER, _MOST = "figures", 64
#: results that a file may hold, and where their classes are: nothing else is imported by what a file says
KINDS: Final = {
    "IOIResult": "scope_widgets.ioi.detection.result",
    "Circuit": "scope_widgets.experiments.circuit.circuit",
    "PatchingResult": "scope_widgets.patching.result",
    "HeadScores": "scope_widgets.heads.head_scores",
    "LogitLens": "scope_widgets.lens.logit_lens",
}


@dataclass(frozen=True, eq=False)
class Figure:
    """A result with its heading.

    Attributes
    ----------
    heading, text : str
        What stands above the view: free text, which counts for nothing.
    result : Result
        An IOIResult, Circuit, PatchingResult, HeadScores or LogitLens.
    """

    heading: str
    text: str
    result: Result

    def __post_init__(self) -> None:
        """Check that a file can hold it."""
        if type(self.result).__name__ not in KINDS:
            raise ValueError(
                f"A figure shows one of {', '.join(KINDS)}; got {opening(type(self.result).__name__)}: these have "
                "views that a saved page can hold."
            )
        for text in (self.heading, self.text):
            check_text(text)


def write_figures(folder: Path, figures: Sequence[Figure]) -> None:
    """Write figures into their folder, and take away those of before."""
    within = folder / _FOLDER
    if figures:
        within.mkdir(exist_ok=True)
    for at, figure in enumerate(figures):
        said: dict[str, Any] = {
            "heading": figure.heading,
            "text": figure.text,
            "kind": type(figure.result).__name__,
            "result": figure.result.to_json(),
        }
        write_text(within / f"{at:02d}.json", json_text(said, "This figure", "Keep a smaller result."))
    for path in sorted(within.glob("*.json")) if within.is_dir() else ():
        if re.fullmatch(r"\d\d\.json", path.name) and int(path.name[:2]) >= len(figures):
            path.unlink()


def read_figures(folder: Path) -> tuple[Figure, ...]:
    """Return the figures of a folder.

    Raises
    ------
    ValueError
        Where one is damaged.
    """
    found = []
    for path in [folder / _FOLDER / f"{at:02d}.json" for at in range(_MOST)]:
        if not path.is_file():
            break
        said = parse_json(read_text(path))
        if not isinstance(said, dict) or said.get("kind") not in KINDS or not all(
            isinstance(said.get(name), str) for name in ("heading", "text", "result")
        ):  # fmt: skip
            raise ValueError(f"{str(path)!r} is no figure of a documentation: take it out, or make the report again.")
        kind = getattr(import_module(KINDS[said["kind"]]), said["kind"])
        found.append(Figure(said["heading"], said["text"], kind.from_json(said["result"])))
    return tuple(found)
