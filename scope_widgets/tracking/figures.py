"""Figures of a run, each one file: results and views as pages, plotly's too, matplotlib's as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scope_widgets._files import replacing, write_text
from scope_widgets._untrusted import read_bytes

#: files that are taken as they are
_KINDS = (".html", ".svg", ".png", ".pdf")


def write_figure(folder: Path, name: str, figure: Any) -> Path:
    """Write a figure, and return its path.

    Raises
    ------
    TypeError
        For what is no figure.
    """
    if isinstance(figure, (str, Path)):
        return _copied(folder, name, Path(figure))
    path = folder / f"{name}.html"
    if hasattr(figure, "write_html"):  # plotly, whole: pages ask no network for it
        return write_text(path, figure.to_html(include_plotlyjs=True, full_html=True))
    if hasattr(figure, "savefig"):
        with replacing(path.with_suffix(".png")) as new:
            figure.savefig(new, format="png")
        return path.with_suffix(".png")
    if not hasattr(figure, "to_html") or hasattr(figure, "to_parquet"):  # a DataFrame is a table
        raise TypeError(
            "run.figure() takes a result, a view, a figure of plotly or matplotlib, or the path of an .html, .svg, "
            f".png or .pdf file; got {type(figure).__name__}. Tables go to run.table."
        )
    figure.to_html(path)
    if hasattr(figure, "from_json"):  # the numbers beside the picture
        write_text(folder / f"{name}.json", figure.to_json())
    return path


def _copied(folder: Path, name: str, source: Path) -> Path:
    if source.suffix.lower() not in _KINDS:
        raise TypeError(
            f"A figure is a file with the ending {', '.join(_KINDS)}; got {source.name!r}. Others go to run.file."
        )
    content = read_bytes(source, most=2**30)
    path = folder / f"{name}{source.suffix.lower()}"
    with replacing(path) as new:
        new.write_bytes(content)
    return path
