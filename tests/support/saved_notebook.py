"""A notebook as a host saves it after its cells were run, made without a kernel."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from unittest.mock import patch

import nbformat

from scope_widgets.widgets.core import display

WIDGET = "application/vnd.jupyter.widget-view+json"


def saved_notebook(views: Iterable[Any]) -> Any:
    """Return a notebook with a cell a view, and the outputs that it displays; without the state of the widgets."""
    cells = []
    for n, view in enumerate(views, 1):
        outputs: list[Any] = []

        def publish(data: dict[str, Any], metadata: Any = None, outputs: list[Any] = outputs) -> None:
            outputs.append(nbformat.v4.new_output("display_data", data, metadata=metadata or {}))

        with patch.object(display, "publish_display_data", publish):
            view._ipython_display_()
        cells.append(nbformat.v4.new_code_cell(f"views[{view.bundle!r}]", outputs=outputs, execution_count=n))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=kernel)
