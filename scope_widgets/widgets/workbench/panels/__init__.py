"""Panels of a page: views of a prompt that are added, moved and closed, and the code that makes them again."""

from scope_widgets.widgets.workbench.panels.browser_page import BrowserPage
from scope_widgets.widgets.workbench.panels.make_panel import KINDS

__all__ = ["KINDS", "BrowserPage"]
