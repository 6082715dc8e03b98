"""The tasks that are made in this room, by name; `experiments.named_tasks` knows those of other rooms too."""

from __future__ import annotations

from collections.abc import Callable

from scope_widgets.circuits.tasks.agreement import agreement
from scope_widgets.circuits.tasks.capitals import capitals
from scope_widgets.circuits.tasks.greater_than import greater_than
from scope_widgets.circuits.tasks.induction import induction
from scope_widgets.experiments.task import Task

TASKS: dict[str, Callable[..., Task]] = {
    "greater_than": greater_than,
    "induction": induction,
    "agreement": agreement,
    "capitals": capitals,
}
