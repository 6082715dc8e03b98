"""Texts are read from lists, files and data sets, and what is wrong with them is said with its place."""

import json

import pytest

from scope_widgets.features.recording.texts import texts_of

TEXTS = ["one two", "\u05e9\u05dc\u05d5\u05dd", "three"]


@pytest.fixture
def files(tmp_path):
    pandas, _ = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps({"text": one, "n": 1}) for one in TEXTS) + "\n\n")
    (tmp_path / "a.txt").write_text("\r\n".join(TEXTS), encoding="utf-8")
    pandas.DataFrame({"text": TEXTS, "n": 1}).to_parquet(tmp_path / "a.parquet")
    (tmp_path / "binary.txt").write_bytes(b"text\n\xff\xfe\x00")
    (tmp_path / "bad.jsonl").write_text('{"text": "a"}\n{"text": \n')
    (tmp_path / "list.jsonl").write_text("[1]\n")
    (tmp_path / "number.jsonl").write_text('{"text": 3}\n')
    (tmp_path / "junk.parquet").write_bytes(b"junk")
    return tmp_path


@pytest.mark.parametrize("name", ["a.jsonl", "a.txt", "a.parquet"])
def test_files(files, name):
    assert list(texts_of(files / name)) == TEXTS
    assert list(texts_of(str(files / name))) == TEXTS


def test_lists_iterators_and_data_sets():
    assert list(texts_of(TEXTS)) == list(texts_of(iter(TEXTS))) == TEXTS
    assert list(texts_of([[1, 2], [3]])) == [[1, 2], [3]]
    datasets = pytest.importorskip("datasets")
    assert list(texts_of(datasets.Dataset.from_dict({"text": TEXTS}))) == TEXTS


@pytest.mark.parametrize(
    ("name", "column", "said"),
    [
        ("a.jsonl", "body", "Line 1 of .* has no 'body'; it has 'text', 'n'"),
        ("a.parquet", "body", "no column 'body'; it has text, n"),
        ("a.parquet", "n", "Row 0 of .* is no text"),
        ("binary.txt", "text", "Line 2 of .* is no UTF-8 text"),
        ("bad.jsonl", "text", "Line 2 of .* is no JSON"),
        ("list.jsonl", "text", "no object"),
        ("number.jsonl", "text", "Line 1 of .* is no text"),
        ("junk.parquet", "text", "is no Parquet file"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(files, name, column, said):
    with pytest.raises(ValueError, match=said):
        list(texts_of(files / name, column))
    with pytest.raises(FileNotFoundError, match="give a list"):
        list(texts_of("the text itself"))
