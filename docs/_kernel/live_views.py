"""Run in the kernel of each page before its first cell: what displays as a view is saved, and shown in a frame.

A frame has what the view has, without a kernel and without a network. Views that share a selection are linked within
one page only: `widgets.save_html([view, table], ...)` makes such a one.
"""

import hashlib
import os
from pathlib import Path

from IPython import get_ipython
from IPython.display import HTML, display

FOLDER = Path(os.environ["SCOPE_DOCS_VIEWS"])
#: pixels, of pages that are higher or lower than most
HEIGHTS = {"AttentionView": 620, "HeadTable": 420, "FeatureBrowser": 760, "SteeringPanel": 640, "TokenView": 220}
USUAL = 560


def frame(name, height, write):
    """Write a page under a name made of its bytes, and display the frame that loads it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    passing = FOLDER / f"{os.getpid()}.html"
    write(passing)
    path = passing.replace(FOLDER / f"{hashlib.sha256(passing.read_bytes()).hexdigest()[:16]}.html")
    # the place of the page is known when the site is written: see _extension/frames.py
    display(
        HTML(
            f'<iframe class="sw-frame" loading="lazy" title="{name}" height="{height}"'
            f' src="site-root/views/{path.name}"></iframe>'
        )
    )


def show(thing):
    """Display a view, or a result that has one."""
    view = getattr(thing, "view", None)
    if isinstance(view, str) and not view:
        raise NotImplementedError  # IPython goes on to the table
    name = view.rpartition(":")[2] if isinstance(view, str) else type(thing).__name__
    frame(name, HEIGHTS.get(name, USUAL), thing.to_html)


def show_figure(figure):
    """Display a figure of plotly, whose own display would fetch its script."""
    from scope_widgets import plots

    frame("Figure", int(figure.layout.height or 450) + 20, lambda path: plots.save(figure, path))


shown_as = get_ipython().display_formatter.ipython_display_formatter
shown_as.for_type_by_name("scope_widgets.widgets.core.view", "View", show)
shown_as.for_type_by_name("scope_widgets.widgets.workbench.workbench", "Workbench", show)
shown_as.for_type_by_name("scope_widgets._result", "Shown", show)
shown_as.for_type_by_name("plotly.graph_objs._figure", "Figure", show_figure)
