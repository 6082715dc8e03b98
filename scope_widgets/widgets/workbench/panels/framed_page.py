"""A view of an HTML page that nothing of runs: the browser shows it in a frame without scripts or network."""

from __future__ import annotations

from typing import Any, ClassVar

import traitlets

from scope_widgets.widgets.core.view import TALLEST, View


class FramedPage(View):
    """A page in a frame of its own, as a report is written.

    Parameters
    ----------
    document : str
        HTML whose texts are escaped; scripts in it are not run, and nothing is fetched.
    table : (header, rows)
        What stands for it where there is no browser half: texts.
    **traits
        Those of a view; ``made_by`` are the lines that make it in Python, the last of which shows it.
    """

    bundle: ClassVar[str] = "framed_page"
    ignores_steering = False  # nor does it show the model

    document = traitlets.Unicode(help="HTML, shown without scripts").tag(sync=True)
    height = traitlets.Int(None, allow_none=True, min=160, max=TALLEST).tag(sync=True)

    def __init__(self, document: str, table: tuple[list[str], list[list[str]]], **traits: Any) -> None:
        self._table = table
        super().__init__(document=document, **traits)

    def still_table(self) -> tuple[list[str], list[list[str]]]:
        """Return what it says as a table."""
        return self._table
