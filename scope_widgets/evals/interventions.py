"""Whatever changes a model, put on for a block: one way to be told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from itertools import groupby
from typing import Any, TypeAlias, TypeVar

from scope_widgets.experiments.applied_to import applied_to, is_change
from scope_widgets.models.microscope import Microscope

T = TypeVar("T")


#: such as a `steering.Intervention`: its room has said how it changes a model, see `experiments/applied_to.py`
_Registered: TypeAlias = Any
#: what may change a model: something registered, a block, a function of the microscope, another model, or several
Intervention: TypeAlias = (
    AbstractContextManager[Any] | Callable[[Microscope], Any] | Microscope | Sequence[Any] | _Registered
)
_EXPECTED = (
    "An intervention is a steering intervention, a patch, a context manager that changes the model while it is open, a "
    "function of the microscope that returns one, another Microscope, or a list of these"
)


def inside(scope: Microscope, intervention: Any, body: Callable[[Microscope], T]) -> T:
    """Return `body` of the microscope that is to be measured, called while an intervention is on.

    The model is as it was when this returns, also by an error or Ctrl-C: each block is opened by a `with` statement.
    """
    opened = _made(scope, intervention)
    if isinstance(opened, Microscope):
        return body(opened)
    return _nested(opened, lambda: body(scope))


def _nested(blocks: list[Callable[[], AbstractContextManager[Any]]], body: Callable[[], T]) -> T:
    if not blocks:
        return body()
    with blocks[0]():
        return _nested(blocks[1:], body)


def _made(scope: Microscope, intervention: Any) -> Microscope | list[Callable[[], AbstractContextManager[Any]]]:
    """Return the model to measure, or what makes each block, in the order in which they are opened."""
    if intervention is None:
        return []
    if isinstance(intervention, Microscope):
        return intervention
    if isinstance(intervention, list | tuple):
        found: list[Callable[[], AbstractContextManager[Any]]] = []
        for registered, group in groupby(intervention, _registered):
            members = list(group)
            if registered is not None:
                found.append(partial(applied_to, members[0], scope, *members[1:]))
                continue
            for one in members:
                inner = _made(scope, one)
                if isinstance(inner, Microscope):
                    raise TypeError("Another model is an intervention by itself, not one of a list: measure it alone.")
                found += inner
        return found
    if isinstance(intervention, type):
        raise TypeError(f"{_EXPECTED}; got the class {intervention.__name__} itself: make one of it.")
    if is_change(intervention):
        return [partial(applied_to, intervention, scope)]
    if isinstance(intervention, AbstractContextManager):
        if getattr(intervention, "enabled", False) is True:
            raise ValueError(
                f"{intervention!r} is on already, so the model cannot be measured without it: take it off first "
                "(.disable()), it is put on for the second half."
            )
        return [lambda: intervention]
    if callable(intervention):
        made = intervention(scope)
        if made is None or (callable(made) and not isinstance(made, AbstractContextManager)):
            raise TypeError(
                f"The function {getattr(intervention, '__name__', 'given')} returned {type(made).__name__}, so nothing "
                "could take the change off again. Let it return a context manager, such as steering.steer(scope, ...)."
            )
        return _made(scope, made)
    raise TypeError(f"{_EXPECTED}; got {type(intervention).__name__}{_hint(intervention)}.")


def _registered(one: Any) -> Any:
    """Return by what it is put on; those of one kind that follow each other are put on together."""
    return applied_to.dispatch(type(one)) if is_change(one) else None


def _hint(given: Any) -> str:
    if hasattr(given, "vector"):
        return " (of a direction make steering.AddDirection(direction, strength))"
    if hasattr(given, "included"):
        return " (of a circuit make circuits.AblatedNodes(circuit))"
    return ""


def described(intervention: Any) -> str:
    """Return what an intervention is, in a line."""
    if intervention is None:
        return "none"
    if isinstance(intervention, Microscope):
        return f"the model {intervention.model_id}"
    if isinstance(intervention, list | tuple):
        return "; ".join(map(described, intervention)) or "none"
    name = getattr(intervention, "name", None)
    if isinstance(name, str) and hasattr(intervention, "strength"):
        return f"{name}, strength {intervention.strength:g}"
    if isinstance(name, str):
        return name
    if callable(intervention) and hasattr(intervention, "__name__"):
        return f"the function {intervention.__name__}"
    text = " ".join(repr(intervention).split())
    return f"a {type(intervention).__name__}" if text.startswith("<") else text[:200]
