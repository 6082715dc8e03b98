"""Texts from wherever they are: a list, an iterator, a file of lines, JSON lines or Parquet, a data set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from scope_widgets._untrusted import check_name, check_text, opening, parse_json

#: what texts are read from: texts or token ids, the name of a file, or a data set of Hugging Face's `datasets`
Texts: TypeAlias = str | Path | Iterable[str] | Iterable[list[int]]

#: bytes of one line of a file
_LONGEST_LINE = 100_000_000


def texts_of(source: Texts, column: str = "text") -> Iterator[str | list[int]]:
    """Yield the texts of a source, one after the other.

    Parameters
    ----------
    source : list, iterator, path or data set
        Texts, or lists of token ids; or a file: `.jsonl` of objects, `.parquet`, anything else of one text a line.
    column : str, default "text"
        Where the text is in a line of `.jsonl`, in a `.parquet` file, or in a data set.

    Raises
    ------
    FileNotFoundError, ValueError
        Where there is no such file or column, or something is no text; says which line.
    """
    if isinstance(source, (str, Path)):
        path = check_name(source)
        if not path.is_file():
            raise FileNotFoundError(f"There is no file {str(source)[:200]!r}. For a text itself give a list: [text].")
        yield from _of_file(path, column)
    elif hasattr(source, "column_names"):
        yield from _of_data_set(source, column)
    elif isinstance(source, Iterable) and not isinstance(source, (bytes, Mapping)):
        for at, one in enumerate(source):
            yield _checked(one, f"Text {at}")
    else:
        raise TypeError(f"Texts are a list of them, the name of a file or a data set; got {opening(source)}.")


def _of_file(path: Path, column: str) -> Iterator[str | list[int]]:
    kind = path.suffix.lower()
    if kind == ".parquet":
        yield from _of_parquet(path, column)
        return
    with path.open("rb") as file:
        number = 0
        while line := file.readline(_LONGEST_LINE):
            number += 1
            where = f"Line {number} of {str(path)!r}"
            if len(line) == _LONGEST_LINE:
                raise ValueError(f"{where} is longer than {_LONGEST_LINE:,} bytes: is it a file of texts?")
            try:
                text = line.decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise ValueError(f"{where} is no UTF-8 text (byte {error.start}): is it a file of texts?") from None
            if not text.strip():
                continue
            yield _checked(_field(text, column, where) if kind in (".jsonl", ".ndjson") else text, where)


def _field(line: str, column: str, where: str) -> Any:
    try:
        entry = parse_json(line, finite=False)
    except ValueError as error:
        raise ValueError(f"{where} is no JSON: {error}.") from None
    if not isinstance(entry, dict):
        raise ValueError(f"{where} is no object with a {column!r}, but {opening(entry)}.")
    if column not in entry:
        raise ValueError(f"{where} has no {column!r}; it has {', '.join(map(repr, list(entry)[:20]))}: give column=.")
    return entry[column]


def _of_parquet(path: Path, column: str) -> Iterator[str | list[int]]:
    parquet = pyarrow_parquet()
    try:
        file = parquet.ParquetFile(path)
    except Exception as error:  # pyarrow has many
        raise ValueError(f"{str(path)!r} is no Parquet file: {str(error)[:200]}.") from None
    with file:
        if column not in file.schema_arrow.names:
            raise ValueError(
                f"{str(path)!r} has no column {column!r}; it has {', '.join(file.schema_arrow.names[:20])}: give "
                "column=."
            )
        at = 0
        for batch in file.iter_batches(columns=[column]):
            for one in batch.column(0).to_pylist():
                if one:
                    yield _checked(one, f"Row {at} of {str(path)!r}")
                at += 1


def _of_data_set(source: Any, column: str) -> Iterator[str | list[int]]:
    names = source.column_names
    if isinstance(names, dict):
        raise ValueError(f"This data set has several parts ({', '.join(names)}): give one of them.")
    if names is not None and column not in names:
        raise ValueError(f"This data set has no column {column!r}; it has {', '.join(names[:20])}: give column=.")
    for at, row in enumerate(source):
        yield _checked(row[column], f"Row {at} of the data set")


def _checked(one: Any, where: str) -> str | list[int]:
    if isinstance(one, str):
        try:
            return check_text(one)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    if isinstance(one, list) and all(type(i) is int for i in one):
        return one
    raise ValueError(f"{where} is no text, nor a list of token ids, but {opening(one)}.")


def pyarrow_parquet() -> Any:
    """Return `pyarrow.parquet`; raise ImportError with what to install where it is missing."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise ImportError("Parquet files need pyarrow: pip install 'scope-widgets[features]'.") from None
    return pyarrow.parquet
