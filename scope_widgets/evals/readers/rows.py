"""Rows of a file, each with its line, so that what is missing can be said."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scope_widgets._untrusted import MOST_PARTS, check_text, opening, parse_json, why


@dataclass(frozen=True)
class Row:
    """One row: its fields, and where it stands.

    Attributes
    ----------
    fields : dict
    where : str
        Such as "facts.jsonl, line 3".
    """

    fields: dict[str, Any]
    where: str

    def text(self, name: str, default: str | None = None) -> str:
        """Return a field that is a text, not empty."""
        value = self._field(name, default)
        if not isinstance(value, str) or (not value.strip() and value != default):
            raise ValueError(f"{self.where}: {name!r} is a text that is not empty; got {opening(value)}.")
        return value

    def texts(self, name: str, default: list[str] | None = None) -> tuple[str, ...]:
        """Return a field that is a list of texts."""
        value = self._field(name, default)
        if not isinstance(value, list) or not all(isinstance(one, str) and one.strip() for one in value):
            raise ValueError(f"{self.where}: {name!r} is a list of texts that are not empty; got {opening(value)}.")
        if not value and default is None:
            raise ValueError(f"{self.where}: {name!r} is empty; it holds one text at least.")
        return tuple(value)

    def inner(self, name: str) -> Row:
        """Return a field that is an object."""
        value = self._field(name, None)
        if not isinstance(value, dict):
            raise ValueError(f"{self.where}: {name!r} is an object; got {opening(value)}.")
        return Row(value, f"{self.where}, in {name!r}")

    def rows(self, name: str, default: list[Any] | None = None) -> list[Row]:
        """Return a field that is a list of objects."""
        value = self._field(name, default)
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise ValueError(f"{self.where}: {name!r} is a list of objects; got {opening(value)}.")
        return [Row(one, f"{self.where}, {name}[{i}]") for i, one in enumerate(value)]

    def _field(self, name: str, default: Any) -> Any:
        if name in self.fields:
            return self.fields[name]
        if default is None:
            has = ", ".join(map(repr, list(self.fields)[:12])) or "nothing"
            raise ValueError(f"{self.where} has no {name!r}; it has {has}. Add the field, or take the row out.")
        return default


def parse_rows(text: str, name: str) -> list[Row]:
    """Return the rows of a JSONL text: an object a line, empty lines left out.

    Raises
    ------
    ValueError
        With the line, where one is no object.
    """
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{name}, line {number}"
        try:
            value = parse_json(line, finite=False)
        except ValueError as error:
            raise ValueError(f"{where} is no JSON object: {why(error)}.") from None
        if not isinstance(value, dict):
            raise ValueError(f"{where} is no JSON object; it begins {opening(line)}.")
        found.append(Row(value, where))
    if not found:
        raise ValueError(f"{name} has no rows: give a file with one object a line.")
    return found


def csv_rows(text: str, name: str) -> Iterator[Row]:
    """Yield the rows of a CSV text by the names in its first line."""
    check_text(text)
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        for count, row in enumerate(reader):
            if count > MOST_PARTS:
                raise ValueError(f"{name} has more than {MOST_PARTS:,} rows.")
            where = f"{name}, line {reader.line_num}"
            if None in row or None in row.values():
                raise ValueError(f"{where} has not as many fields as the first line has names.")
            yield Row(dict(row), where)
    except csv.Error as error:
        raise ValueError(f"{name}, line {reader.line_num}, is no CSV: {error}.") from None
