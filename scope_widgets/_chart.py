"""`Charted`: results that show a small chart beside their table."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from scope_widgets._result import Result

if TYPE_CHECKING:
    from collections.abc import Callable

_ROW = '<div style="display:flex;flex-wrap:wrap;gap:0 24px;align-items:flex-start">'


class Charted(Result):
    """Mixin of the results that a chart shows, named as a string so that this floor does not import the widgets."""

    #: "module:class" of the chart
    chart: ClassVar[str]

    def to_svg(self, path: str | Path | None = None, **options: Any) -> str | Path:
        """Draw the chart for a paper, with the options of a view's `to_svg`; return the SVG, or `path`."""
        drawn: str | Path = self._chart().to_svg(path, **options)
        return drawn

    def to_png(self, path: str | Path, **options: Any) -> Path:
        """Write the chart as PNG, as a view's `to_png` does, and return `path`."""
        return Path(self._chart().to_png(path, **options))

    def to_pdf(self, path: str | Path, **options: Any) -> Path:
        """Write the chart as PDF, as a view's `to_pdf` does, and return `path`."""
        return Path(self._chart().to_pdf(path, **options))

    def _chart(self) -> Any:
        module, name = self.chart.split(":")
        make: Callable[[Any], Any] = getattr(importlib.import_module(module), name)
        return make(self)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        shown = super()._repr_mimebundle_(**options)
        return {**shown, "text/html": self._beside(shown["text/html"])}

    def _beside(self, table: str) -> str:
        """Put the chart beside the table, above it where there is no room."""
        return f"{_ROW}{self._chart().to_html()}<div>{table}</div></div>"
