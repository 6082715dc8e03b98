"""Progress bars that leave nothing in a saved notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm as _tqdm

if TYPE_CHECKING:
    from tqdm.auto import tqdm as tqdm


class _NotebookBar(_tqdm):  # type: ignore[misc,unused-ignore]
    """tqdm's widget, displayed so that its output can be emptied at the end: the closed widget's stays as an error."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._output: Any = None
        super().__init__(*args, **options | {"display": False})
        if not self.disable and self.delay <= 0:
            self._show()

    def display(self, *args: Any, **options: Any) -> None:
        """Update the widget, and show it where its delay is over."""
        if options.get("check_delay", True) and not self.displayed and not options.get("close"):
            self._show()
        super().display(*args, **options)

    def close(self) -> None:
        """Close the widget and empty its output."""
        if self.disable:
            return
        super().close()
        for part in (*self.container.children, self.container):
            part.close()
        if self._output is not None:
            self._output.update({}, raw=True)

    def _show(self) -> None:
        from IPython.display import display

        self._output = display(self.container, display_id=True)  # type: ignore[no-untyped-call,unused-ignore]
        self.displayed = True


def extend(bar: Any, work: int) -> None:
    """Add to the work that a bar is of, or take from it; the widget does not follow by itself."""
    bar.total += work
    if isinstance(bar, _NotebookBar) and not bar.disable:
        bar.container.children[1].max = bar.total


if not TYPE_CHECKING:
    tqdm = _NotebookBar if any(base.__module__ == "tqdm.notebook" for base in _tqdm.__mro__) else _tqdm
