"""What is there of the compiled modules, and how they were built."""

from __future__ import annotations

from dataclasses import dataclass

from . import _compiled


@dataclass(frozen=True)
class Build:
    """The compiled modules of this installation.

    Attributes
    ----------
    missing : tuple of str
        Those that are not there: torch does what they do.
    why : str
        What importing them said; "" where those of attention are there.
    lanes : int or None
        Numbers that one instruction takes; None where nothing says it: modules that are missing, or of an earlier
        build.
    clones, threads : bool
        Whether instructions are chosen for this processor when it runs, and whether it has threads.
    """

    missing: tuple[str, ...]
    why: str
    lanes: int | None
    clones: bool
    threads: bool


def build() -> Build:
    """Return what there is of the compiled modules.

    Returns
    -------
    Build

    Examples
    --------
    >>> build().lanes in (None, 1, 4, 8, 16)
    True
    """
    names = ("statistics", "ranking", "display", "codes", "autoencoder", "neighbours")
    how = getattr(_compiled.statistics, "BUILD", {})
    return Build(
        missing=tuple(name for name in names if getattr(_compiled, name) is None),
        why=_compiled.MISSING,
        lanes=how.get("lanes"),
        clones=bool(how.get("clones")),
        threads=bool(how.get("threads")),
    )
