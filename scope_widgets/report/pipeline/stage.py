"""`Stage` and `Context`: what a stage of the pipeline is, and what it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scope_widgets.models.microscope import Microscope
from scope_widgets.report.pipeline.settings import Settings


@dataclass(frozen=True)
class Context:
    """What a stage is given.

    Attributes
    ----------
    scope : Microscope
    settings : Settings
    out : Path
        The folder with what other stages made.
    work : Path
        Where this one writes; a run that was killed finds there what it had.
    halvings : int
        How often memory did not suffice: each time half as much is done at once, or of as many.
    """

    scope: Microscope
    settings: Settings
    out: Path
    work: Path
    halvings: int = 0

    def fewer(self, n: int, least: int = 1) -> int:
        """Return a number, halved as often as memory did not suffice."""
        return max(min(n, least), n >> self.halvings)


@dataclass(frozen=True)
class Stage:
    """A stage of the pipeline.

    Attributes
    ----------
    name : str
    run : callable
        Writes its files into `Context.work`, and returns notes: sentences on what there is not, and why.
    options : tuple of str
        Names of the settings that its files depend on.
    inputs : tuple of str
        Names of the stages whose files it reads.
    folder : str
        Where its files go, seen from the pipeline's; "" for that itself.
    aside : tuple of str
        Names of folders and files of `work` that only a run that goes on needs.
    """

    name: str
    run: Callable[[Context], list[str]]
    options: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    folder: str = ""
    aside: tuple[str, ...] = ()
