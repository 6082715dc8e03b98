"""`microscope runs`: which there are, and how they ended."""

import json

import pytest

from scope_widgets import tracking
from scope_widgets.cli import main


@pytest.fixture
def folder(tmp_path):
    with tracking.run(tmp_path / "a", config={"rate": 0.5}) as run:
        run.log({"loss": 0.25})
    with pytest.raises(RuntimeError), tracking.run(tmp_path / "deep" / "b", name="second"):
        raise RuntimeError("no luck")
    return tmp_path


def test_runs_are_listed(folder, capsys):
    assert main(["runs", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "status", "begun", "seconds", "events", "loss"]
    assert any(line.split()[:2] == ["a", "done"] and line.endswith("0.25") for line in lines)
    assert any(line.split()[:3] == ["second", "(deep/b)", "failed"] for line in lines)
    assert lines[-1] == "second: failed, RuntimeError: no luck"


def test_json_has_all_of_them(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    assert main(["runs", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["runs"]}
    assert rows["a"]["config.rate"] == 0.5
    assert rows["a"]["loss"] == 0.25
    assert rows["second"]["status"] == "failed"
    assert rows["second"]["loss"] is None


def test_a_folder_without_runs(tmp_path, capsys):
    assert main(["runs", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"No run in or below {tmp_path}.\n"
    assert main(["runs", "--json", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == []
    assert main(["runs", str(tmp_path / "nowhere")]) == 1
    assert "There is no folder" in capsys.readouterr().err
