"""`read`: a file or folder as a suite."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

from scope_widgets._check_choice import check_choice
from scope_widgets._untrusted import MOST_TEXT, check_name, parse_json, read_bytes, read_text, reading
from scope_widgets.evals.items import Item, SuiteKind
from scope_widgets.evals.readers.counterfact import counterfact
from scope_widgets.evals.readers.pairs import bbq, blimp, crows_pairs, winobias
from scope_widgets.evals.readers.relations import relation
from scope_widgets.evals.readers.rows import Row, csv_rows, parse_rows
from scope_widgets.evals.readers.suite_rows import item_of, kind_of
from scope_widgets.evals.suite import Suite

#: how files are laid out
Layout = Literal["rows", "counterfact", "relations", "crows_pairs", "winobias", "bbq", "blimp"]
_KINDS: dict[str, SuiteKind] = {
    "counterfact": "facts",
    "relations": "facts",
    "crows_pairs": "bias",
    "winobias": "bias",
    "bbq": "bias",
    "blimp": "pairs",
}
#: one field that only rows of a layout have
_MARKS = {
    "requested_rewrite": "counterfact",
    "prompt_templates": "relations",
    "sent_more": "crows_pairs",
    "ans0": "bbq",
    "sentence_good": "blimp",
}
_MOST_FILES = 10_000


def read(
    path: str | Path, *, layout: Layout | None = None, kind: SuiteKind | None = None, name: str | None = None
) -> Suite:
    """Read a suite from a file or folder.

    Parameters
    ----------
    path : str or Path
        JSONL with a row an item: {"prompt", "target", "distractors"} for facts (with "wordings", "neighbours" if there
        are), {"more", "less"} for pairs, {"prompt", "hostile", "neutral"} for toxicity, {"text"} for perplexity,
        {"prompt"} for fluency; "id" and "cluster" if there are. Or a published set: CounterFact (JSON or JSONL),
        relations (a JSON file or a folder of them), CrowS-Pairs (CSV), WinoBias (a folder), BBQ (JSONL), BLiMP (JSONL,
        or the zip of all).
    layout : {"rows", "counterfact", "relations", "crows_pairs", "winobias", "bbq", "blimp"}, optional
        By what it holds by default.
    kind : {"facts", "bias", "pairs", "toxicity", "perplexity", "fluency"}, optional
        Of rows; by their fields by default.
    name : str, optional
        That of the file by default.

    Returns
    -------
    Suite

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        For a file of another layout, and for a row that lacks a field, with its line.

    Examples
    --------
    >>> folder.mkdir()
    >>> row = '{"prompt": "The sky is", "target": "blue", "distractors": ["green"]}'
    >>> _ = (folder / "sky.jsonl").write_text(row)
    >>> suite = evals.read(folder / "sky.jsonl")
    >>> suite.kind, suite.items[0].target
    ('facts', ' blue')
    """
    path = check_name(path)
    if layout is not None:
        check_choice("layout", layout, Layout)
    if kind is not None:
        check_choice("kind", kind, SuiteKind)
    name = name or path.name.split(".")[0]
    if not path.exists():
        raise FileNotFoundError(f"There is no file {str(path)!r}; suites of the package are loaded by name.")
    if path.is_dir():
        if layout == "winobias" or (layout is None and any(path.glob("pro*type*.txt*"))):
            return Suite(name, "bias", tuple(winobias(path)))
        rows = [one for file in _files(path) for one in _rows(file)]
    else:
        rows = _rows(path)
    found: str = layout or next((of for mark, of in _MARKS.items() if mark in rows[0].fields), "rows")
    items, of = _items(found, rows, kind)
    return Suite(name, kind or of, tuple(items))


def _items(layout: str, rows: list[Row], kind: SuiteKind | None) -> tuple[list[Any], SuiteKind]:
    if layout == "rows":
        of = kind or kind_of(rows[0])
        if of is None:
            if "test_case" in rows[0].fields:
                raise ValueError(
                    f"{rows[0].where.split(',')[0]} is HateCheck, texts to hold a scorer against: evals.hatecheck and "
                    "evals.scorer_auc read it."
                )
            has = ", ".join(map(repr, rows[0].fields))
            raise ValueError(
                f"{rows[0].where} has {has}, and says nothing that is known: a row has 'prompt' and 'target', 'more' "
                "and 'less', 'hostile' and 'neutral', 'text', or 'prompt'."
            )
        items: list[Item] = [item_of(of, row) for row in rows]
        return items, of
    if layout == "relations":
        facts = [fact for row in rows for fact in relation(row)]
        # facts of one relation are not independent; where there is no other, nothing better is known
        return [replace(one, cluster=one.id) for one in facts] if len(rows) == 1 else facts, "facts"
    readers = {"counterfact": counterfact, "crows_pairs": crows_pairs, "bbq": bbq, "blimp": blimp}
    if layout not in readers:
        raise ValueError("WinoBias is a folder with pro_type1.txt, anti_type1.txt, ...; give the folder.")
    return list(cast(Any, readers[layout])(rows)), _KINDS[layout]


def _files(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.json*"))[:_MOST_FILES]
    if not found:
        raise ValueError(f"{str(folder)!r} has no .json or .jsonl file, and no pro_type1.txt of WinoBias.")
    return found


def _rows(path: Path) -> list[Row]:
    if path.suffix == ".csv":
        rows = list(csv_rows(read_text(path), path.name))
        if not rows:
            raise ValueError(f"{path.name} has no rows.")
        return rows
    if path.suffix == ".zip":
        return _zipped(path)
    text = read_text(path)
    if path.suffix == ".json":
        with reading(f"{path.name} is no JSON"):
            value = parse_json(text, finite=False)
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            return [Row(one, f"{path.name}, entry {i}") for i, one in enumerate(value, 1)]
        if isinstance(value, dict):
            return [Row(value, path.name)]
        raise ValueError(f"{path.name} is to hold an object, or a list of objects that is not empty.")
    return parse_rows(text, path.name)


def _zipped(path: Path) -> list[Row]:
    """Return the rows of all JSONL files in a zip file; their sizes are known before they are unpacked."""
    rows: list[Row] = []
    with reading(f"{path.name} cannot be read"), zipfile.ZipFile(io.BytesIO(read_bytes(path))) as archive:
        listed = [one for one in archive.infolist() if one.filename.endswith(".jsonl")]
        members = [one for one in listed if not Path(one.filename).name.startswith("._")]  # what macOS puts beside
        if not members:
            raise ValueError("it has no .jsonl file")
        if len(members) > _MOST_FILES or sum(one.file_size for one in members) > MOST_TEXT:
            raise ValueError(f"unpacked it has more than {MOST_TEXT:,} bytes or {_MOST_FILES:,} files")
        for member in members:
            with archive.open(member) as file:
                data = file.read(member.file_size + 1)
            rows += parse_rows(data.decode("utf-8"), Path(member.filename).name)
    return rows
