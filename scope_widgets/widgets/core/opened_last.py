"""Views tell the browser of themselves when they are made, not while."""

from __future__ import annotations

import inspect
from typing import Any

import traitlets


class OpenedLast(traitlets.MetaHasTraits):
    """Metaclass of views that open their channel to the browser after the last of their constructors.

    ipywidgets opens it in its own, before a subclass has set what it computes; VS Code and Colab draw a view with what
    it was opened with, before they have heard of changes.
    """

    @property
    def __signature__(cls) -> inspect.Signature:
        """Signature of the constructor, which would be that of `__call__`."""
        signature = inspect.signature(cls.__init__)  # type: ignore[misc]
        return signature.replace(parameters=list(signature.parameters.values())[1:])

    def __call__(cls, *args: Any, **options: Any) -> Any:
        """Make a view, then open it."""
        view = super().__call__(*args, **options)
        view.made = True
        view.open()
        return view
