"""Figures at the width of a journal's column: as SVG with nothing but Python, as PDF and PNG through Typst."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, Protocol, overload

from scope_widgets._files import replacing, write_text
from scope_widgets.widgets.core.drawing.png import with_resolution
from scope_widgets.widgets.core.drawing.svg_sheet import MARGIN, TITLE, Paper

#: inches of a column, and of two with the space between
COLUMNS = {"single": 3.3, "double": 6.8}
Width = float | Literal["single", "double"]

_POINTS = 72.0
_NARROWEST, _WIDEST = 2.0, 40.0
_PAGE = """\
#set page(width: {width:.6g}pt, height: {height:.6g}pt, margin: 0pt)
#image("figure.svg", width: {width:.6g}pt, height: {height:.6g}pt)
"""


class Drawn(Protocol):
    """What a figure needs of a view."""

    @property
    def title(self) -> Any:
        """A trait of a view, or a text."""

    def draw(self, paper: Paper, *, whole: bool = True) -> None:
        """Draw what is shown."""

    def caption(self) -> str:
        """Say what is shown."""


class FigureFiles:
    """Mixin of what can be drawn: writes itself as SVG, PNG and PDF."""

    @overload
    def to_svg(self: Drawn, path: None = None, *, width: Width = "double", caption: bool = True) -> str: ...

    @overload
    def to_svg(self: Drawn, path: str | Path, *, width: Width = "double", caption: bool = True) -> Path: ...

    def to_svg(
        self: Drawn, path: str | Path | None = None, *, width: Width = "double", caption: bool = True
    ) -> str | Path:
        """Draw this as a figure for a paper, without a browser: light, text as text, none below 7 points.

        Parameters
        ----------
        path : str or Path, optional
            Replaced when it exists; without it the SVG is returned.
        width : "single", "double" or float, default "double"
            A column of 3.3 inches, two of 6.8, or so many inches.
        caption : bool, default True
            Write the title above, and below what is shown, of which model and prompt, in which units (`caption()`).

        Returns
        -------
        str or Path
            The SVG, or `path`.

        Raises
        ------
        ValueError
            When `width` is something else.
        FileNotFoundError
            When the folder of `path` is not there.

        Examples
        --------
        >>> from scope_widgets import Microscope, lens
        >>> result = lens.logit_lens(Microscope.load("demo").trace("When Mary and John went"))
        >>> result.widget().to_svg(width="single")[:4]
        '<svg'
        """
        text = figure(self, width, caption).svg()
        return text if path is None else write_text(path, text)

    def to_png(
        self: Drawn, path: str | Path, *, width: Width = "double", caption: bool = True, dpi: float = 300.0
    ) -> Path:
        """Draw it as a PNG of `dpi` pixels an inch; all else as in `to_svg`.

        Raises
        ------
        ImportError
            Where Typst is not installed: ``pip install 'scope-widgets[figures]'``.
        ValueError
            When `width` or `dpi` is something else.
        """
        return _write(path, rendered(figure(self, width, caption), "png", dpi))

    def to_pdf(self: Drawn, path: str | Path, *, width: Width = "double", caption: bool = True) -> Path:
        """Draw it as a PDF, vectors with their fonts; all else as in `to_svg`.

        Raises
        ------
        ImportError
            Where Typst is not installed: ``pip install 'scope-widgets[figures]'``.
        ValueError
            When `width` is something else.
        """
        return _write(path, rendered(figure(self, width, caption), "pdf"))


def figure(view: Drawn, width: Width, caption: bool) -> Paper:
    """Return a view drawn at a width, below its title, and with `caption` above what it shows in words.

    Raises
    ------
    ValueError
        When the width is neither a column nor a number of inches.
    """
    paper = Paper(_POINTS * _inches(width) - 2 * MARGIN)
    if caption:
        paper.paragraph(view.title, size=TITLE, bold=True)
        paper.y += 4
    view.draw(paper)
    if caption:
        paper.y += 6
        paper.paragraph(f"{view.caption()} Without steering." if getattr(view, "unsteered", False) else view.caption())
    return paper


def rendered(paper: Paper, ending: Literal["pdf", "png"], dpi: float = 300.0) -> bytes:
    """Return a figure as PDF, text as text and lines as lines, or as PNG.

    Raises
    ------
    ImportError
        Where Typst is not installed.
    ValueError
        When `dpi` is no resolution.
    """
    if not (isinstance(dpi, (int, float)) and 10 <= dpi <= 2400):
        raise ValueError(f"dpi= is a number of pixels an inch from 10 to 2,400, not {dpi!r}.")
    try:
        import typst
    except ImportError:
        raise ImportError(
            f"To write a figure as {ending.upper()} takes typst: pip install 'scope-widgets[figures]'. "
            "to_svg(path) takes nothing more."
        ) from None
    with TemporaryDirectory() as folder:
        page = Path(folder, "page.typ")
        # where a side is no whole number of pixels Typst drops a row: here a point is a pixel
        factor = dpi / _POINTS if ending == "png" else 1.0
        pixel = 1 / factor if ending == "png" else 0.01
        Path(folder, "figure.svg").write_text(paper.svg("px", factor, pixel), encoding="utf-8")
        width, height = (side * factor for side in paper.size(pixel))
        page.write_text(_PAGE.format(width=width, height=height), encoding="utf-8")
        if ending == "pdf":
            return bytes(typst.compile(str(page), root=folder, format="pdf"))
        return with_resolution(bytes(typst.compile(str(page), root=folder, format="png", ppi=_POINTS)), dpi)


def _write(path: str | Path, content: bytes) -> Path:
    """Write a file in place of what was there, and return its path."""
    with replacing(path) as new:
        new.write_bytes(content)
    return Path(path)


def _inches(width: Width) -> float:
    inches = COLUMNS.get(width, math.nan) if isinstance(width, str) else width
    if isinstance(inches, bool) or not isinstance(inches, (int, float)) or not _NARROWEST <= inches <= _WIDEST:
        raise ValueError(
            f"width= is 'single' ({COLUMNS['single']} inches), 'double' ({COLUMNS['double']}) or a number of inches "
            f"from {_NARROWEST:g} to {_WIDEST:g}, not {width!r}."
        )
    return float(inches)
