"""Labels of the user's own: from a dict, or a file of JSON or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scope_widgets._untrusted import check_text, opening, parse_json, read_text, reading


def own_labels(given: Mapping[int, str] | str | Path, n_latents: int) -> dict[int, str]:
    """Return labels by latent, ascending.

    Parameters
    ----------
    given : dict of int to str, or path
        A file is `.json`, an object of latents and labels, or CSV with the columns latent (or feature) and label.
    n_latents : int

    Raises
    ------
    FileNotFoundError, ValueError
        Where there is no such file, it is damaged, or a latent is none.
    """
    if isinstance(given, Mapping):
        return _checked(given, n_latents, "labels=")
    what = f"{str(given)[:200]!r} is no file of labels"
    text = read_text(given)
    with reading(what):
        pairs = parse_json(text) if Path(given).suffix.lower() == ".json" else _of_csv(text)
        if not isinstance(pairs, dict):
            raise ValueError("it is no object of latents and labels")
        return _checked(pairs, n_latents, "it")


def _of_csv(text: str) -> dict[str, str]:
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    names = rows.fieldnames or []
    latent = next((name for name in ("latent", "feature") if name in names), None)
    if latent is None or "label" not in names:
        raise ValueError(f"its columns are {', '.join(map(str, names))[:80]}, and not latent and label")
    return {str(row[latent]): row["label"] for row in rows}


def _checked(given: Mapping[Any, Any], n_latents: int, what: str) -> dict[int, str]:
    found: dict[int, str] = {}
    for key, label in given.items():
        latent = int(key) if isinstance(key, str) and key.isascii() and key.isdecimal() and len(key) < 10 else key
        if isinstance(latent, bool) or not hasattr(latent, "__index__") or not 0 <= latent.__index__() < n_latents:
            raise ValueError(f"{what} names latent {opening(key)}; there are 0 to {n_latents - 1}")
        if not isinstance(label, str) or not label.strip():
            raise ValueError(f"{what} has no text for latent {opening(key)}, but {opening(label)}")
        found[latent.__index__()] = check_text(label)
    return dict(sorted(found.items()))
