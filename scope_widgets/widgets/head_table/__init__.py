"""A table of heads: the view and its parts."""

from scope_widgets.widgets.head_table.head_table import HeadTable

__all__ = ["HeadTable"]
