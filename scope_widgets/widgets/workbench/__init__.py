"""Several views of one prompt in one layout: the bar on top, and what stands below it."""

from scope_widgets.widgets.workbench.workbench import Workbench

__all__ = ["Workbench"]
