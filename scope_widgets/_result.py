"""What every result shares: its table, its JSON, and how it shows itself."""

from __future__ import annotations

import dataclasses
import html
import importlib
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from scope_widgets._files import write_text
from scope_widgets._json_fields import decode_fields, encode
from scope_widgets._provenance import Provenance
from scope_widgets._untrusted import json_text, opening, parse_json, why

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure
    from typing_extensions import Self

R = TypeVar("R")

#: what to do with a result that is too large for JSON
TOO_LARGE = "Write it in parts, of fewer prompts, or its arrays with numpy.savez."
#: characters of one field that a repr writes out
_LONGEST = 80

_PAGE = """<!doctype html>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
@media print {{ :root {{ color-scheme: light; }} }}
body {{ margin: 16px auto; max-width: 1400px; padding: 0 16px; font: 12px/16px system-ui, sans-serif; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: 1px 8px; text-align: right; border: 0; border-bottom: 1px solid #8884; }}
</style>
<h1 style="font-size:14px">{title}</h1>
{table}
<p>{caption}</p>
"""


class Shown:
    """Mixin of what displays as a widget, named as a string so that this floor does not import the widgets."""

    #: "module:class" of the widget
    view: ClassVar[str]
    #: "module:function" that plots it
    plotted_by: ClassVar[str]

    def widget(self, **options: Any) -> Any:
        """Make the widget that shows this; `options` are the widget's own."""
        module, name = self.view.split(":")
        return getattr(importlib.import_module(module), name)(self, **options)

    def plot(self, *arguments: Any, **options: Any) -> Figure:
        """Plot this as a plotly figure, which `plots.save(figure, path)` writes.

        Arguments and options are those of the function of `plots` that draws it; every one takes `theme="dark"`.
        """
        module, name = self.plotted_by.split(":")
        drawn: Figure = getattr(importlib.import_module(module), name)(self, *arguments, **options)
        return drawn

    def to_html(self, path: str | Path) -> Path:
        """Write the widget as one HTML file that works without a network and without a kernel."""
        view = self.widget()
        try:
            written: Path = view.to_html(path)
            return written
        finally:
            view.close()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        shown = self._shown()._repr_mimebundle_(**options)
        return shown and ({**shown[0], "text/plain": repr(self)}, shown[1])

    def _ipython_display_(self) -> None:
        self._shown()._ipython_display_(repr(self))

    def _shown(self) -> Any:
        view = _displayed[self]() if self in _displayed else None
        if view is None or view.comm is None:  # not displayed yet, or closed since
            view = self.widget()
            _displayed[self] = weakref.ref(view)
        return view


#: the view of what was displayed: displayed again, it is shown by the same one
_displayed: weakref.WeakKeyDictionary[Shown, weakref.ref[Any]] = weakref.WeakKeyDictionary()


#: the microscope that made a result, as long as something else keeps it: for views that run its model again
_scopes: weakref.WeakKeyDictionary[Any, weakref.ref[Any]] = weakref.WeakKeyDictionary()


def made_with(result: R, scope: Any) -> R:
    """Return the result, and remember which microscope made it; no file does."""
    if scope is not None:
        _scopes[result] = weakref.ref(scope)
    return result


def scope_behind(result: Any) -> Any:
    """Return the microscope that made a result; None where it is gone, or the result was read from a file."""
    found = _scopes.get(result)
    return None if found is None else found()


class Result(Shown):
    """Mixin of the frozen dataclasses that analyses return: named arrays and their provenance.

    A subclass has `to_dataframe`, and names its `view` where a widget shows it; otherwise it displays as its table.
    It names the function it is `plotted_by`, or the first numbers of its table are plotted.
    Its decorator says `repr=False`: thousands of numbers in a row help nobody. `_said` is what the repr says in place
    of the fields.
    """

    view: ClassVar[str] = ""
    plotted_by: ClassVar[str] = "scope_widgets.plots.tables:table"
    #: what earlier versions called the class in the files that they wrote
    former_names: ClassVar[tuple[str, ...]] = ()
    provenance: Provenance

    def __repr__(self) -> str:
        """Say what it found, and of which model."""
        prompts = len(self.provenance.prompts)
        count = f", {prompts:,} prompt{'s' * (prompts > 1)}" if prompts else ""
        return f"{type(self).__name__}({self._said()}; {self.provenance.model}{count})"

    def _said(self) -> str:
        """Return what the repr says: of a class without words of its own its fields, long ones by size and range."""
        names = [one.name for one in dataclasses.fields(self) if one.name != "provenance"]  # type: ignore[arg-type]
        return ", ".join(f"{name}={_brief(getattr(self, name))}" for name in names)

    def to_dataframe(self) -> pd.DataFrame:
        """Return the numbers as a table."""
        raise NotImplementedError

    def to_html(self, path: str | Path) -> Path:
        """Write the widget, or the table where there is none, as one HTML file that needs no network and no kernel."""
        if self.view:
            return super().to_html(path)
        table = self.to_dataframe().to_html(index=False, border=0)  # pandas escapes what the cells hold
        caption = "<br>".join(html.escape(line) for line in self.provenance.lines())
        page = _PAGE.format(title=html.escape(type(self).__name__), table=self._beside(table), caption=caption)
        return write_text(path, page)

    def _beside(self, table: str) -> str:
        """Return the HTML of the table with what stands beside it."""
        return table

    def _repr_mimebundle_(self, **options: Any) -> Any:
        if self.view:
            return super()._repr_mimebundle_(**options)
        return {"text/plain": repr(self), "text/html": self.to_dataframe()._repr_html_()}

    def _ipython_display_(self) -> None:
        if not self.view:
            raise NotImplementedError  # IPython goes on to the table
        super()._ipython_display_()

    def to_json(self) -> str:
        """Return this result as JSON: arrays with their dtype and shape, NaN as null, infinities as words.

        Raises
        ------
        ValueError
            When it is larger than what `from_json` reads, or holds half a character (a lone surrogate).
        """
        fields = {f.name: encode(getattr(self, f.name)) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        name = type(self).__name__
        return json_text({"result": name, **fields}, f"This {name}", TOO_LARGE)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the result that `to_json` wrote.

        Raises
        ------
        ValueError
            When the text is not JSON of this kind of result, or its fields are of other types, or do not fit together.
        """
        fields = fields_of(text, cls.__name__, *cls.former_names)
        try:
            read = cls._from_fields(fields)
            read.to_dataframe()  # which needs all parts to fit together
            return read
        except Exception as error:
            said = why(error) if isinstance(error, (ValueError, KeyError)) else "its parts do not fit together"
            raise ValueError(f"This {cls.__name__} is damaged: {said}. Write it again with to_json().") from error

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Self:
        """Return the result of the fields that `to_json` wrote."""
        return cls(**decode_fields(cls, fields))


def fields_of(text: str, *names: str) -> dict[str, Any]:
    """Return the fields of a JSON text that says it is a result of one of these names.

    Raises
    ------
    ValueError
        Where it is something else.
    """
    what = f"This text is not a {names[0]} written by to_json(): it begins {opening(text)}"
    try:
        fields = parse_json(text)
    except ValueError as error:
        raise ValueError(f"{what}, and {why(error)}.") from None
    if not isinstance(fields, dict) or fields.pop("result", None) not in names:
        raise ValueError(f"{what}.")
    return fields


class ArrayResult(Result):
    """Mixin of the results that are one array, `values`: they can be indexed, and NumPy takes them as that array."""

    values: np.ndarray[Any, Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return tuple(self.values.shape)

    def __len__(self) -> int:
        """Return the length of the first axis."""
        return len(self.values)

    def __getitem__(self, index: Any) -> Any:
        """Return a part of the array."""
        return self.values[index]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.values, dtype) if copy else np.asarray(self.values, dtype)


def _brief(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"<{value.dtype} {list(value.shape)}{_range(value)}>"
    text = repr(value)
    size = f" of {len(value)}" if hasattr(value, "__len__") else ""
    return text if len(text) <= _LONGEST else f"<{type(value).__name__}{size}>"


def _range(array: np.ndarray[Any, Any]) -> str:
    """Return the smallest and the largest number of an array in words, NaN and infinities left out."""
    if array.dtype.kind == "b":
        return f", {np.count_nonzero(array):,} true"
    known = array[np.isfinite(array)] if array.dtype.kind in "iuf" else array[:0]
    if not known.size:
        return ""
    low, high = f"{known.min():.4g}", f"{known.max():.4g}"
    return f", {low}" if low == high else f", {low} to {high}"
