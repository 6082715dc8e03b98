"""Tables of a run: Parquet, or lines of JSON where pyarrow is not installed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from scope_widgets._files import replacing, write_text
from scope_widgets._untrusted import MOST_NUMBERS, read_text, reading
from scope_widgets.tracking.plain_values import plain

if TYPE_CHECKING:
    import pandas as pd


def as_frame(given: Any) -> pd.DataFrame:
    """Return a table as a DataFrame: a DataFrame, a result, a dict of columns, or a list of rows.

    Raises
    ------
    TypeError
        For what is none.
    """
    import pandas as pd

    if hasattr(given, "to_dataframe"):
        given = given.to_dataframe()
    if isinstance(given, pd.DataFrame):
        return given
    rows = isinstance(given, list) and all(isinstance(one, dict) for one in given)
    if not (rows or isinstance(given, dict)):
        raise TypeError(
            f"run.table() takes a DataFrame, a result with to_dataframe(), a dict of columns or a list of dicts; got "
            f"{type(given).__name__}."
        )
    try:
        return pd.DataFrame(given)
    except ValueError as error:
        raise ValueError(f"run.table() takes columns of one length: {error}.") from None


def write_table(folder: Path, name: str, frame: pd.DataFrame) -> Path:
    """Write a table, and return its path."""
    names = [str(column) for column in frame.columns]
    if twice := {one for one in names if names.count(one) > 1}:
        raise ValueError(f"The table {name!r} has two columns {sorted(twice)[0]!r}: rename one.")
    frame = frame.set_axis(names, axis=1)
    try:
        import pyarrow
    except ImportError:
        lines = frame.to_json(orient="records", lines=True, double_precision=15, force_ascii=False)
        return write_text(folder / f"{name}.jsonl", lines)
    for column in frame.select_dtypes("object"):
        try:
            pyarrow.array(frame[column], from_pandas=True)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):  # of several types: as text
            frame = frame.assign(**{column: [_text(one) for one in frame[column]]})
    with replacing(folder / f"{name}.parquet") as new:
        frame.to_parquet(new, engine="pyarrow", index=False)
    return folder / f"{name}.parquet"


def _text(cell: Any) -> str | None:
    return None if cell is None else str(plain(cell, "a cell"))


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """Return a table that `write_table` wrote.

    Raises
    ------
    FileNotFoundError, ValueError
        Where there is none, it is damaged, or larger than what is read.
    ImportError
        For Parquet without pyarrow.
    """
    import io

    import pandas as pd

    path = folder / f"{name}.parquet"
    if not path.is_file():
        text = read_text(folder / f"{name}.jsonl")
        with reading(f"{str(folder / f'{name}.jsonl')!r} is no table"):
            return pd.read_json(io.StringIO(text), orient="records", lines=True)
    try:
        from pyarrow import parquet
    except ImportError:
        raise ImportError("Parquet files need pyarrow: pip install 'scope-widgets[features]'.") from None
    with reading(f"{str(path)!r} is no table"), parquet.ParquetFile(path) as file:
        about = file.metadata
        if about.num_rows * max(about.num_columns, 1) > MOST_NUMBERS:
            raise ValueError(f"it has {about.num_rows:,} rows of {about.num_columns:,} columns")
        found: pd.DataFrame = file.read().to_pandas()
        return found
