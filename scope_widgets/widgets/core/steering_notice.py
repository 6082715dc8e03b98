"""Views beside what steers that show the model as it is: they say so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from scope_widgets.widgets.core.intervening import SharesInterventions

#: traits that change with a list of interventions
_TRAITS = ("intervened", "interventions", "strengths", "enabled")


class SteeringNotice:
    """Has views of one prompt that ignore steering say so, as long as another one steers.

    Parameters
    ----------
    views : callable
        Returns them.
    """

    def __init__(self, views: Callable[[], Iterable[Any]]) -> None:
        self._views = views

    def follow(self, view: Any) -> None:
        """Hear of what a new one of them steers."""
        view.observe(self.tell, [name for name in _TRAITS if view.has_trait(name)])

    def tell(self, _change: Any = None) -> None:
        """Say it in the views of now, or no more."""
        views = list(self._views())
        lists = [view._list for view in views if isinstance(view, SharesInterventions)]
        steered = any(one is not None and one.acts for one in lists)
        for view in views:
            view.unsteered = steered and view.ignores_steering
