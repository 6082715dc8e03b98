"""Tasks by name: `make_task(scope, "ioi")`.

Each is made in the room of its technique, which is named here by a string: no room imports another for it.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from scope_widgets._aliases import former_options
from scope_widgets._seeds import seed_of
from scope_widgets.experiments.task import Task

if TYPE_CHECKING:
    from scope_widgets.models.microscope import Microscope

TaskName: TypeAlias = Literal["greater_than", "induction", "agreement", "capitals", "ioi"]

#: name -> "module:function" of a `(scope, *, n, seed) -> Task`
_MAKERS: dict[TaskName, str] = {
    "ioi": "scope_widgets.ioi.task:ioi_task",
    "greater_than": "scope_widgets.circuits.tasks.greater_than:greater_than",
    "induction": "scope_widgets.circuits.tasks.induction:induction",
    "agreement": "scope_widgets.circuits.tasks.agreement:agreement",
    "capitals": "scope_widgets.circuits.tasks.capitals:capitals",
}


@former_options("n", "seed")
def make_task(scope: Microscope, name: TaskName, *, n: int = 50, seed: int | None = 0) -> Task:
    """Make a task by its name.

    Parameters
    ----------
    scope : Microscope
        The model whose tokens the prompts are made of.
    name : str
        "ioi", "greater_than", "induction", "agreement" or "capitals".
    n : int, default 50
        Number of pairs.
    seed : int or None, default 0
        The same seed makes the same pairs.

    Returns
    -------
    Task

    Raises
    ------
    TypeError
        When `n` is no whole number.
    ValueError
        For an unknown name, `n` below 1 or more than there are, or a tokenizer that lacks the words.

    Examples
    --------
    >>> from scope_widgets import Microscope, circuits
    >>> scope = Microscope.load("demo")
    >>> circuits.task(scope, "ioi", n=20)
    Task(ioi: 20 pairs for demo, logit_difference)
    """
    seed = seed_of(seed)
    if name not in _MAKERS:
        raise ValueError(
            f"There is no task {name!r}; there are {', '.join(get_args(TaskName))}. Others are made of prompts of "
            "your own: Task.of(scope, clean, corrupted, answer, versus)."
        )
    module, _, function = _MAKERS[name].partition(":")
    made: Task = getattr(import_module(module), function)(scope, n=n, seed=seed)
    return replace(made, seed=seed)


def as_task(scope: Microscope, task: Task | TaskName, *, seed: int | None = 0) -> Task:
    """Return a task as it was given, or made for this model with 50 pairs where it was given by its name.

    Raises
    ------
    TypeError
        For what is neither.
    ValueError
        As `make_task` does.
    """
    seed = seed_of(seed)
    if isinstance(task, Task):
        return task
    if isinstance(task, str):
        return make_task(scope, task, seed=seed)
    raise TypeError(
        f"task= is a Task, such as Task.of(...) makes, or the name of one ({', '.join(get_args(TaskName))}); "
        f"got {task!r}."
    )


def held_out(scope: Microscope, task: Task, *, n: int = 50) -> Task | None:
    """Draw pairs of the same kind that are not in a task, to test on them what was found on it.

    Parameters
    ----------
    scope : Microscope
        The model whose tokens the prompts are made of.
    task : Task
        Made by its name, as `make_task` does; parts of it too.
    n : int, default 50
        Number of pairs at most: there are only so many different ones.

    Returns
    -------
    Task or None
        None where the pairs were not made by a name, so that nobody can draw others, or all that there are are in it.

    Examples
    --------
    >>> from scope_widgets import Microscope, circuits
    >>> scope = Microscope.load("demo")
    >>> task = circuits.task(scope, "ioi", n=12)
    >>> others = circuits.held_out(scope, task, n=8)
    >>> len(others), any(prompt in task.clean for prompt in others.clean)
    (8, False)
    """
    if task.seed is None or task.name not in _MAKERS:
        return None
    asked, drawn = n + len(task), None
    while drawn is None and asked:
        try:
            drawn = make_task(scope, task.name, n=asked, seed=task.seed + 1)
        except ValueError:  # more than there are different ones
            asked //= 2
    known = {tuple(prompt) for prompt in task.clean}
    left = [at for at, prompt in enumerate(drawn.clean if drawn else ()) if tuple(prompt) not in known][:n]
    return drawn.only(left) if drawn and left else None
