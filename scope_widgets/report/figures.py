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
from scope_widgets._untrusted import check_text, json_text, opening, parse_json, read_text, reading

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

    def to_data(self) -> dict[str, Any]:
        """Return it as what JSON knows."""
        kind = type(self.result).__name__
        return {"heading": self.heading, "text": self.text, "kind": kind, "result": self.result.to_json()}

    @classmethod
    def from_data(cls, data: Any) -> Figure:
        """Return what `to_data` made of it.

        Raises
        ------
        ValueError
            Where it is no figure, or its result is damaged.
        """
        texts = ("heading", "text", "kind", "result")
        if not isinstance(data, dict) or not all(isinstance(data.get(name), str) for name in texts):
            raise ValueError(f"A figure is an object of the texts {', '.join(texts)}; got {opening(str(data))}.")
        if data["kind"] not in KINDS:
            raise ValueError(f"A figure shows one of {', '.join(KINDS)}; got {opening(data['kind'])}.")
        kind = getattr(import_module(KINDS[data["kind"]]), data["kind"])
        return cls(data["heading"], data["text"], kind.from_json(data["result"]))


def write_figures(folder: Path, figures: Sequence[Figure]) -> None:
    """Write figures into their folder, and take away those of before."""
    within = folder / _FOLDER
    if figures:
        within.mkdir(exist_ok=True)
    for at, figure in enumerate(figures):
        text = json_text(figure.to_data(), "This figure", "Keep a smaller result.")
        write_text(within / f"{at:02d}.json", text)
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
        with reading(f"{str(path)!r} is no figure of a documentation: take it out, or make the report again"):
            found.append(Figure.from_data(parse_json(read_text(path))))
    return tuple(found)
