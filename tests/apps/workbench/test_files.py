"""Names lead nowhere but into the folder, and files are whole."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from scope_widgets.apps.workbench.files import Files

HOSTILE = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "a\\b",
    "/etc/passwd",
    "C:x",
    "C:\\x",
    "\\\\host\\share",
    "x\0y",
    "x\ny",
    ".hidden",
    " x",
    "x ",
    "x.",
    "con",
    "NUL.txt",
    "a" * 201,
    "~root",
    "%2e%2e",
    "a:b",
    "x?",
    "*",
    "\u202etxt",
    "\ud800",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    files = Files(tmp_path / "workspace")
    with pytest.raises(ValueError, match="no name of a file"):
        files.path(name)
    with pytest.raises(ValueError, match="no name of a file"):
        files.write(name, b"x")


def test_links_do_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "outside").mkdir()
    files = Files(tmp_path / "workspace")
    (files.folder / "link").symlink_to(tmp_path / "secret")
    (files.folder / "folder").symlink_to(tmp_path / "outside")
    (files.folder / "gone").symlink_to(tmp_path / "not there")
    for name in ("link", "folder", "gone"):
        with pytest.raises(ValueError, match="leads out"):
            files.read(name)
        with pytest.raises(ValueError, match="leads out"):
            files.write(name, b"x")
    assert files.list() == []
    assert (tmp_path / "secret").read_text() == "secret"


def test_files_are_written_whole_and_read_again(tmp_path: Path) -> None:
    files = Files(tmp_path / "workspace")
    assert files.write("Größe (1).json", b"[1]").size == 3
    assert files.read("Größe (1).json") == b"[1]"
    assert [one.name for one in files.list()] == ["Größe (1).json"]
    assert os.listdir(files.folder) == ["Größe (1).json"]  # nothing is left beside it
    with pytest.raises(FileNotFoundError, match="no file"):
        files.read("other.json")
    with pytest.raises(ValueError, match="2 at most"):
        files.read("Größe (1).json", most=2)
    files.remove("Größe (1).json")
    assert files.list() == []
    os.mkfifo(files.folder / "pipe")
    (files.folder / "inner").mkdir()
    assert files.list() == []
    with pytest.raises(FileNotFoundError):
        files.read("pipe")
    for name in ("pipe", "inner"):
        with pytest.raises(ValueError, match="is no file"):
            files.write(name, b"x")


NAMES = ["weights.pt", "weights.safetensors", "data.json", "x.pkl", "x.zip", "x.parquet", "x.npy", "notes.txt"]


class Hostile:
    """Would call something when it is read."""

    def __reduce__(self) -> Any:
        return os.system, ("true",)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", NAMES)
def test_pickles_are_refused_whatever_they_are_called(tmp_path: Path, name: str, protocol: int) -> None:
    files = Files(tmp_path)
    whole = pickle.dumps(Hostile(), protocol)
    for data in (pickle.dumps({"a": 1}, protocol), whole, whole[:-1], whole + b" and more", b"N0" * 40 + whole):
        with pytest.raises(ValueError, match="pickle"):
            files.write(name, data)
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match="pickle"):
            files.read(name)
        with pytest.raises(ValueError, match="pickle"):
            files.check(name)


def test_an_archive_as_torch_writes_it_is_refused(tmp_path: Path) -> None:
    import torch

    for name in ("weights.bin", "weights.zip"):
        torch.save({"a": torch.zeros(2)}, tmp_path / name)
        with pytest.raises(ValueError, match="pickle or an archive"):
            Files(tmp_path).read(name)
