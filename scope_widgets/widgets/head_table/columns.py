"""A table of heads as the browser wants it: a description a column, numbers as bytes, text as lists."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scope_widgets.widgets.core.definitions import DEFINITIONS

LETTERS = {
    "name_mover": "N",
    "subject_suppressor": "X",
    "negative_name_mover": "-",
    "s_inhibition": "S",
    "induction": "I",
    "duplicate_token": "D",
    "previous_token": "P",
    "backup_name_mover": "B",
    "current_token": "C",
    "first_token": "F",
    "uniform": "U",
}

#: name -> what it says, as the views have it
HELP = {name: one.text() for name, one in DEFINITIONS.items()}

#: name -> title, where the name's own words would not do
TITLES = {"strips": "attention over the prompt"}

#: a control -> the column that it is held against, whose scale it shares
CONTROLS = {"elsewhere": "attention", "negative_copying": "copying", "share_there": "share"}


@dataclass(frozen=True)
class Column:
    """What is known of a column before its data: `kind` is "integer", "number", "text" or "strip"."""

    name: str
    kind: str
    shown: bool = True
    threshold: float | None = None
    low: str | None = None
    high: str | None = None
    #: the column with what each row was compared with
    marks: str | None = None

    @classmethod
    def of(
        cls, frame: pd.DataFrame, wanted: Sequence[str] | None, thresholds: Mapping[str, float], strips: bool = False
    ) -> list[Column]:
        """Describe the columns of `frame`, the shown ones in the order `wanted`, and among them "strips".

        Raises
        ------
        ValueError
            When `wanted` or `thresholds` name a column that is not there, or a threshold is not a number.
        """
        names = [*frame.columns, *(("strips",) if strips else ())]
        for name in [*(wanted or ()), *thresholds]:
            if name not in names:
                raise ValueError(f"There is no column {name!r}: the columns are {', '.join(names)}.")
        for name, threshold in thresholds.items():
            if not math.isfinite(threshold):
                raise ValueError(f"The threshold of {name!r} must be a number, not {threshold!r}.")
        whiskers = _whiskers(frame)
        marks = _marks(frame)
        ends = {end for pair in whiskers.values() for end in pair} | set(marks.values())
        heads = [name for name in ("layer", "head") if name not in (wanted or ())]
        order = [*heads, *(wanted or [name for name in frame.columns if name not in ("layer", "head")])]
        order += [name for name in frame.columns if name not in order]
        if strips and "strips" not in order:  # beside the words that say the same
            order.insert(order.index("signature") + 1 if "signature" in order else len(order), "strips")
        return [
            cls(
                name,
                "strip" if strips and name == "strips" else _kind(frame[name]),
                shown=name in (wanted or ()) or (wanted is None and name not in ends) or name in heads,
                threshold=None if name not in thresholds else float(thresholds[name]),
                low=whiskers.get(name, (None, None))[0],
                high=whiskers.get(name, (None, None))[1],
                marks=marks.get(name),
            )
            for name in order
        ]


def read_frame(scores: Any) -> pd.DataFrame:
    """Return `scores` as a DataFrame of its own that has layer and head, numbers, and text as strings.

    Raises
    ------
    TypeError
        When `scores` is neither a DataFrame nor a result with ``to_dataframe()``.
    ValueError
        When layer or head is missing or not a whole number from 0, or a name is there twice.
    """
    frame = scores.to_dataframe() if hasattr(scores, "to_dataframe") else scores
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(
            f"HeadTable shows a result with to_dataframe(), such as heads.score(trace), or a DataFrame, "
            f"not a {type(scores).__name__}."
        )
    frame = frame.rename(columns=str).reset_index(drop=True)
    if not frame.columns.is_unique:
        twice = ", ".join(sorted(set(frame.columns[frame.columns.duplicated()])))
        raise ValueError(f"Each column needs a name of its own; twice there: {twice}.")
    for name in ("layer", "head"):
        if name not in frame.columns:
            raise ValueError(f"A table of heads needs a column {name!r}; there are {', '.join(frame.columns)}.")
        values = pd.to_numeric(frame[name], errors="coerce")
        if not ((values >= 0) & (values % 1 == 0)).all():
            raise ValueError(f"The column {name!r} must hold whole numbers from 0.")
        frame[name] = values.astype(np.int64)
    for name in frame.columns:
        if _kind(frame[name]) == "text":
            frame[name] = ["" if pd.isna(value) else str(value) for value in frame[name]]
    return frame


def pack(frame: pd.DataFrame, columns: Sequence[Column]) -> tuple[list[dict[str, Any]], bytes, dict[str, Any]]:
    """Return (descriptions, numbers, texts); of strips only the description.

    Numbers stand one column after another, little-endian float64, or float32 where the column is; each description
    says at which byte its column starts.
    """
    specs: list[dict[str, Any]] = []
    parts: list[bytes] = []
    texts: dict[str, list[str]] = {}
    start = 0
    for column in columns:
        title = TITLES.get(column.name, column.name.replace("_", " "))
        spec = {**vars(column), "title": title, "help": HELP.get(column.name, "")}
        spec["like"] = CONTROLS.get(column.name)
        if column.kind == "text":
            texts[column.name] = frame[column.name].tolist()
        elif column.kind != "strip":
            values = frame[column.name]
            spec["dtype"] = "float32" if values.dtype in (np.float16, np.float32) else "float64"
            spec["start"] = start
            size = "<f4" if spec["dtype"] == "float32" else "<f8"
            data = values.to_numpy(dtype=size, na_value=np.nan).tobytes()
            parts.append(data)
            start += len(data)
        specs.append(spec)
    return specs, b"".join(parts), texts


def class_letters(frame: pd.DataFrame, labels: Any) -> list[str]:
    """Return the class letter of each row, "" for none; from `labels`, else from a column "label" or "class"."""
    if labels is not None:
        letters = labels.letters()
        return [letters.get(head, "") for head in zip(frame["layer"], frame["head"], strict=True)]
    for name in ("label", "class"):
        if name in frame.columns and _kind(frame[name]) == "text":
            return [LETTERS.get(value, "") for value in frame[name]]
    return []


def evidence_of(frame: pd.DataFrame, why: pd.DataFrame | None) -> list[str]:
    """Say for each row what earned its class, "" for none."""
    if why is None:
        return []
    said: dict[tuple[int, int], list[str]] = {}
    for row in why.to_dict("records"):
        text = "" if row["label"] == row["statistic"] else f"{row['label']}: "
        text = f"{text}{row['statistic']} {row['score']:.2f} ≥ threshold {row['threshold']:.2f}".replace("_", " ")
        if row.get("null_p") is not None and not pd.isna(row["null_p"]):
            text += f"; null p = {row['null_p']:.3g}"
        said.setdefault((row["layer"], row["head"]), []).append(text)
    return ["; ".join(said.get(head, ())) for head in zip(frame["layer"], frame["head"], strict=True)]


def _kind(values: pd.Series) -> str:
    types = pd.api.types
    if types.is_bool_dtype(values) or types.is_complex_dtype(values) or not types.is_numeric_dtype(values):
        return "text"
    return "integer" if pd.api.types.is_integer_dtype(values) else "number"


def _marks(frame: pd.DataFrame) -> dict[str, str]:
    """Find what the rows of each column were compared with: name_threshold, or threshold for the number before it."""
    found = {name: f"{name}_threshold" for name in frame.columns if f"{name}_threshold" in frame.columns}
    if "threshold" in frame.columns and (before := _number_before(frame, "threshold")):
        found[before] = "threshold"
    return found


def _number_before(frame: pd.DataFrame, name: str) -> str | None:
    """Return the last column of numbers that stands before another."""
    before = [one for one in frame.columns[: frame.columns.get_loc(name)] if _kind(frame[one]) == "number"]
    return before[-1] if before else None


def _whiskers(frame: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Find the interval of each column: name_low and name_high, or low and high for the number before them."""
    found = {
        name: (f"{name}_low", f"{name}_high")
        for name in frame.columns
        if {f"{name}_low", f"{name}_high"} <= set(frame.columns)
    }
    if {"low", "high"} <= set(frame.columns) and (before := _number_before(frame, "low")):
        found[before] = ("low", "high")
    return found
