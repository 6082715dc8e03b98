"""The task of finding the indirect object, as it is made by its name."""

from __future__ import annotations

from scope_widgets._seeds import seed_of
from scope_widgets.experiments.task import Task
from scope_widgets.ioi.dataset.draw_prompts import prompts
from scope_widgets.models.microscope import Microscope


def ioi_task(scope: Microscope, *, n: int = 50, seed: int | None = 0) -> Task:
    """Return the task of `n` IOI prompts: the corrupted ones have the indirect object in place of the second subject.

    Parameters
    ----------
    scope : Microscope
    n : int, default 50
        Number of pairs.
    seed : int or None, default 0
        The same seed makes the same pairs.

    Returns
    -------
    Task
        That of `ioi.prompts(scope, n=n, seed=seed).task()`.

    Raises
    ------
    TypeError, ValueError
        As `ioi.prompts` does.
    """
    seed = seed_of(seed)
    return prompts(scope, n=n, seed=seed).task()
