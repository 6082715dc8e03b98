"""What a run notes is in its folder at once, and is read again as it was."""

import dataclasses
import errno
import hashlib
import json
import os
import shutil
import sys
import threading

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import torch

from scope_widgets import tracking
from scope_widgets.tracking import events, read_events, recorded_run


def test_what_is_logged_is_read_again(tmp_path):
    with tracking.run(tmp_path / "a", config={"rate": 0.1, "sizes": (1, 2), "folder": tmp_path}) as run:
        run.log({"loss": 0.5, "said": "well", "ok": True}, step=10)
        run.log({"loss": torch.tensor(0.25, dtype=torch.bfloat16), "n": np.int64(3), "rows": np.arange(3)})
        run.log({"loss": float("nan"), "most": np.float32("inf"), "deep": {"a": [1, float("nan")]}})
        read = tracking.load(tmp_path / "a")  # while it runs
        assert read.status == "running"
        assert read.ended is None
        assert read.seconds >= 0
    read = tracking.load(tmp_path / "a")
    assert (read.name, read.status, read.error, read.damaged) == ("a", "done", "", 0)
    assert read.config == {"rate": 0.1, "sizes": [1, 2], "folder": str(tmp_path)}
    assert read.provenance["versions"]["torch"]
    table = read.history
    assert table["step"].tolist() == [10, 11, 12]
    assert table["loss"].tolist()[:2] == [0.5, 0.25]
    assert np.isnan(table["loss"][2])
    assert table["most"][2] == np.inf
    assert table["rows"][1] == [0, 1, 2]
    assert table["deep"][2] == {"a": [1, None]}
    assert read.last["n"] == 3
    for line in (tmp_path / "a" / "events.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)  # JSON of any reader


def test_tables_figures_and_files(tmp_path, demo):
    frame = pd.DataFrame({"head": ["3.1", "2.0"], "score": [0.5, np.nan], "mixed": [1, "two"], "n": [1, 2]})
    note = tmp_path / "note.txt"
    note.write_text("one")
    scores = demo.trace("Mary gave John a book")
    with tracking.run(tmp_path / "a") as run:
        run.table("scores", frame)
        run.table("rows", [{"a": 1}, {"a": 2}])
        run.table("rows", {"a": [5]})
        run.figure("plot", go.Figure(go.Scatter(y=[1, 2])))
        run.figure("trace", scores)
        digest = run.file(note)
        assert run.file(note, name="again") == digest == hashlib.sha256(b"one").hexdigest()
        note.write_text("two")
        run.file(note)
        run.add_config({"late": 1})
        with pytest.raises(TypeError, match=r"run.table\(\) takes a DataFrame, .* got int"):
            run.table("other", 3)
        with pytest.raises(TypeError, match=r"run.figure\(\) takes a result, .* got dict"):
            run.figure("other", {})
        with pytest.raises(FileNotFoundError, match="There is no file"):
            run.file(tmp_path / "missing")
        with pytest.raises(ValueError, match="is no file: give the path of one"):
            run.file(tmp_path)
        for name in ("../a", "a/b", "", ".a", "a\n", None, "x" * 200):
            with pytest.raises(ValueError, match="The name of a table has letters, digits"):
                run.table(name, frame)
    read = tracking.load(tmp_path / "a")
    assert read.tables == ["scores", "rows"]
    again = read.table("scores")
    assert again[["head", "n"]].equals(frame[["head", "n"]].astype(again[["head", "n"]].dtypes))
    assert again["mixed"].tolist() == ["1", "two"]
    assert np.isnan(again["score"][1])
    assert read.table("rows")["a"].tolist() == [5]
    assert "http" not in [part[:4] for part in read.figures["plot"].read_text().split('src="')[1:]]
    assert read.figures["trace"].read_text().startswith("<!doctype html>")
    assert read.files == ["note.txt", "again"]
    assert read.file("note.txt").read_text() == "two"
    assert read.file("again").read_text() == "one"
    assert len(list((tmp_path / "a" / "files").iterdir())) == 2
    assert read.config == {"late": 1}
    with pytest.raises(KeyError, match="has no table 'x'; it has scores, rows"):
        read.table("x")
    read.file("again").write_text("changed")
    with pytest.raises(ValueError, match="is not what was stored: its SHA-256 is another"):
        read.file("again")


def test_the_numbers_of_a_result_are_beside_its_figure(tmp_path, demo):
    direction = demo_direction(demo)
    with tracking.run(tmp_path / "a") as run:
        run.figure("direction", direction)
        run.table("direction", direction)
    read = tracking.load(tmp_path / "a")
    text = read.figures["direction"].with_suffix(".json").read_text()
    assert type(direction).from_json(text).name == "given"
    assert read.table("direction")["layer"].tolist() == [2]


def demo_direction(scope):
    from scope_widgets import steering

    return steering.direction(scope, vector=np.eye(scope.d_model)[0], layer=2, name="given")


def test_without_pyarrow_tables_are_lines_of_json(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    frame = pd.DataFrame({"text": ["a\nb", "é"], "x": [0.1234567890123, np.nan]})
    with tracking.run(tmp_path / "a") as run:
        run.table("t", frame)
    assert (tmp_path / "a" / "tables" / "t.jsonl").exists()
    again = tracking.load(tmp_path / "a").table("t")
    assert again["text"].tolist() == ["a\nb", "é"]
    assert again["x"][0] == pytest.approx(0.1234567890123, rel=1e-12)


def test_a_folder_is_of_one_run(tmp_path):
    with (
        tracking.run(tmp_path / "a") as run,
        pytest.raises(FileExistsError, match=r"holds another run: give a folder of its own, such as '.*a/2'"),
    ):
        tracking.run(tmp_path / "a")
    with pytest.raises(FileExistsError, match="holds another run"):
        tracking.run(tmp_path / "a")
    with pytest.raises(RuntimeError, match="has ended: begin another one"):
        run.log({"x": 1})
    (tmp_path / "b" / "files").mkdir(parents=True)
    with pytest.raises(FileExistsError, match="holds 'files', which is no part of a run"):
        tracking.run(tmp_path / "b")
    (tmp_path / "c").write_text("")
    with pytest.raises(NotADirectoryError, match="is no folder, but a file"):
        tracking.run(tmp_path / "c")
    assert tracking.current() is None


def test_of_two_that_begin_at_once_one_has_the_folder(tmp_path):
    begun, refused, together = [], [], threading.Barrier(8)

    def begin():
        together.wait()
        try:
            begun.append(tracking.run(tmp_path / "a"))
        except FileExistsError as error:
            refused.append(error)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(begun), len(refused)) == (1, 7)
    begun[0].end()


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (ZeroDivisionError("none"), "failed", "ZeroDivisionError: none"),
        (KeyboardInterrupt(), "failed", "stopped by Ctrl-C"),
        (SystemExit(3), "failed", "SystemExit: 3"),
        (SystemExit(0), "done", ""),
    ],
)
def test_a_run_that_fails_says_why(tmp_path, error, status, said):
    def fail():
        with tracking.run(tmp_path / "a") as run:
            run.log({"loss": 1.0})
            raise error

    with pytest.raises(type(error)):
        fail()
    read = tracking.load(tmp_path / "a")
    assert (read.status, read.error, read.history["loss"].tolist()) == (status, said, [1.0])


def test_the_run_that_was_begun_last_is_the_current_one(tmp_path):
    assert tracking.current() is None
    with tracking.run(tmp_path / "a") as outer:
        with tracking.run(tmp_path / "b") as inner:
            assert tracking.current() is inner
        assert tracking.current() is outer
    assert tracking.current() is None


def test_threads_log_whole_lines(tmp_path):
    with tracking.run(tmp_path / "a") as run:
        threads = [threading.Thread(target=lambda: [run.log({"x": "y" * 5000}) for _ in range(50)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    read = tracking.load(tmp_path / "a")
    assert (len(read.events), read.damaged) == (200, 0)
    assert sorted(read.history["step"]) == list(range(200))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"x": object()}, "notes numbers, texts, .*; 'x' is object"),
        ({"x": {"y": [1j]}}, r"'x\.y' is complex"),
        ("x", r"takes a dict of values, .* got str"),
        ({"x": "y" * 2**20}, "has 1,048,576 bytes at most, and this one 1,048,6"),
        ({"x": "\ud800"}, "half a character"),
    ],
)
def test_what_cannot_be_noted_is_refused(tmp_path, values, said):
    with tracking.run(tmp_path / "a") as run:
        with pytest.raises((TypeError, ValueError), match=said):
            run.log(values)
        with pytest.raises(ValueError, match="step= is a whole number; got 0.5"):
            run.log({}, step=0.5)
        run.log({"x": 1})
    assert tracking.load(tmp_path / "a").history["step"].tolist() == [0]


def test_a_torn_line_is_left_out(tmp_path):
    with tracking.run(tmp_path / "a") as run:
        run.log({"x": 1})
        run.log({"x": 2})
    path = tmp_path / "a" / "events.jsonl"
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        read = tracking.load(tmp_path / "a")
        complete = [line for line in whole[:end].split(b"\n") if line.endswith(b"}}")]
        assert len(read.events) == len(complete)
        assert read.damaged == (whole[:end].split(b"\n")[-1] not in (b"", *complete))


def test_of_a_long_run_every_second_step_is_read(tmp_path, monkeypatch):
    with tracking.run(tmp_path / "a") as run:
        for x in range(200):
            run.log({"x": x})
            if x == 100:
                run.table("t", {"a": [1]})
    path = tmp_path / "a" / "events.jsonl"
    assert tracking.load(tmp_path / "a").left_out == 0
    size = path.stat().st_size
    for most, expected in ((0.9 * size, 2), (0.4 * size, 4)):
        monkeypatch.setattr(read_events, "MOST_TEXT", int(most))
        read = tracking.load(tmp_path / "a")
        assert read.history["x"].tolist() == [*range(0, 200, expected), 199]
        assert [one["kind"] for one in read.events].index("table") == 1 + 100 // expected
        assert (read.left_out, read.last) == (199 - 200 // expected, {"x": 199})
        assert tracking.runs(tmp_path)["events"].tolist() == [201]
    monkeypatch.setattr(read_events, "MOST_TEXT", 9)
    with pytest.raises(ValueError, match="more than 9 bytes of what is no logged value"):
        tracking.load(tmp_path / "a")


def test_a_line_that_is_too_long_is_left_out(tmp_path):
    with tracking.run(tmp_path / "a") as run:
        run.log({"x": 1})
    with (tmp_path / "a" / "events.jsonl").open("a") as file:
        file.write('{"kind": "log", "values": {"x": "' + "a" * 2**21 + '"}}\n{"kind": "log", "values": {"x": 2}}\n')
    read = tracking.load(tmp_path / "a")
    assert (read.damaged, read.history["x"].tolist()) == (1, [1, 2])


def test_where_nothing_can_be_written_events_wait(tmp_path, monkeypatch):
    real, room = os.write, [30]  # bytes of room on a full disk: half a line goes in

    def write(file, data):
        if room[0] <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = real(file, data[: room[0]])
        room[0] -= written
        return written

    with tracking.run(tmp_path / "a") as run:
        run.log({"x": 0})
        monkeypatch.setattr(events.os, "write", write)
        with pytest.warns(UserWarning, match=r"No space left on device\. Events wait in memory"):
            run.log({"x": 1})
        run.log({"x": 2})
        with pytest.raises(OSError, match=r"2 events of the run in .* could not be written: make room"):
            run.end()
        assert tracking.load(tmp_path / "a").last == {"x": 0}
        monkeypatch.undo()
        run.log({"x": 3})
    read = tracking.load(tmp_path / "a")
    assert read.history["x"].tolist() == [0, 1, 2, 3]
    assert (read.status, read.damaged) == ("done", 1)


def test_a_table_without_room_is_said_and_nothing_is_lost(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with tracking.run(tmp_path / "a") as run:
        run.table("t", {"a": [1]})
        with monkeypatch.context() as patched:
            patched.setattr("scope_widgets._files.os.fsync", full)
            with pytest.raises(
                OSError, match=r"The table 't' .* \(No space left on device\). All that was noted before"
            ):
                run.table("t", {"a": [2]})
            with pytest.raises(OSError, match=r"The file 'n'"):
                run.file(__file__, name="n")
        assert tracking.load(tmp_path / "a").table("t")["a"].tolist() == [1]
        assert sorted(path.name for path in (tmp_path / "a").rglob("*.part")) == []
    with monkeypatch.context() as patched:
        patched.setattr("scope_widgets._files.os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            tracking.run(tmp_path / "b")
    assert list((tmp_path / "b").iterdir()) == []


def test_on_another_machine_the_heartbeat_tells(tmp_path, monkeypatch):
    run = tracking.run(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    about = json.loads((tmp_path / "b" / "run.json").read_text())
    about["process"]["host"] = "elsewhere"
    (tmp_path / "b" / "run.json").write_text(json.dumps(about))
    assert tracking.load(tmp_path / "b").status == "running"
    later = recorded_run.time.time() + 600
    monkeypatch.setattr(recorded_run.time, "time", lambda: later)
    read = tracking.load(tmp_path / "b")
    assert read.status == "killed"
    assert "no sign of life for 600 s from 'elsewhere'" in read.error
    assert tracking.load(tmp_path / "a").status == "running"  # its process is here, and lives
    monkeypatch.undo()
    run.end()
    about["process"] = {
        **about["process"],
        "host": json.loads((tmp_path / "a" / "run.json").read_text())["process"]["host"],
    }
    about["process"]["process_started"] = "another boot 1"  # its pid is another process now
    (tmp_path / "b" / "run.json").write_text(json.dumps(about))
    assert tracking.load(tmp_path / "b").status == "killed"


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "other"}, {"status": "well"}, {"config": []}, {"begun": "yesterday"}, {"heartbeat": "now"},
        {"process": None}, {"error": 3}, {"provenance": [1]},
    ],
)  # fmt: skip
def test_a_damaged_run_is_said(tmp_path, changes):
    run = tracking.run(tmp_path / "a")
    about = json.loads((tmp_path / "a" / "run.json").read_text())
    (tmp_path / "a" / "run.json").write_text(json.dumps({**about, **changes}))
    with pytest.raises(ValueError, match="is not of a run"):
        tracking.load(tmp_path / "a")
    assert tracking.runs(tmp_path)["status"].tolist() == ["damaged"]
    run.end()


def test_a_missing_run_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no run in"):
        tracking.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        tracking.runs(tmp_path / "nowhere")
    (tmp_path / "events.jsonl").touch()
    assert tracking.load(tmp_path).status == "killed"


def test_events_of_others_name_no_other_files(tmp_path):
    with tracking.run(tmp_path / "a"):
        pass
    lines = [
        {"kind": "figure", "name": "f", "file": "../../secret"},
        {"kind": "file", "name": "x", "file": "../../secret"},
        {"kind": "table", "name": "../t", "file": "../t"},
    ]
    (tmp_path / "a" / "events.jsonl").write_text("\n".join(map(json.dumps, lines)))
    read = tracking.load(tmp_path / "a")
    for ask in (lambda: read.figures, lambda: read.file("x"), lambda: read.table("../t")):
        with pytest.raises(ValueError):
            ask()


def test_a_table_of_runs(tmp_path):
    for rate in (0.1, 0.2):
        with tracking.run(tmp_path / "deep" / str(rate), config={"rate": rate, "list": [1]}) as run:
            run.log({"loss": rate * 2, "text": "no number"})
    with pytest.raises(RuntimeError), tracking.run(tmp_path / "bad"):
        raise RuntimeError("no")
    table = tracking.runs(tmp_path).set_index("name")
    assert table.loc["0.1", ["status", "config.rate", "loss", "folder"]].tolist() == ["done", 0.1, 0.2, "deep/0.1"]
    assert table.loc["bad", ["status", "error"]].tolist() == ["failed", "RuntimeError: no"]
    assert "config.list" not in table


def test_what_is_logged_takes_the_place_of_no_column(tmp_path):
    with tracking.run(tmp_path / "a", config={"rate": 0.1}) as run:
        run.log({"events": 5, "folder": 6, "seconds": 7, "config.rate": 8, "my config.rate": 9})
    (row,) = tracking.runs(tmp_path).to_dict("records")
    assert (row["events"], row["folder"], row["config.rate"]) == (1, "a", 0.1)
    logged = [row[f"logged.{name}"] for name in ("events", "folder", "seconds", "config.rate")]
    assert [*logged, row["my config.rate"]] == [5, 6, 7, 8, 9]


def test_a_run_that_goes_as_it_is_read_is_damaged(tmp_path, monkeypatch):
    with tracking.run(tmp_path / "a"):
        pass

    def gone(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setitem(tracking.runs.__globals__, "load", gone)
    (row,) = tracking.runs(tmp_path).to_dict("records")
    assert (row["status"], "Permission denied" in row["error"]) == ("damaged", True)


def test_a_figure_is_copied_as_it_was_read(tmp_path):
    picture = tmp_path / "picture.PNG"
    picture.write_bytes(bytes(range(256)))
    with tracking.run(tmp_path / "a") as run:
        run.figure("p", picture)
    assert tracking.load(tmp_path / "a").figures["p"].read_bytes() == picture.read_bytes()


def test_config_may_be_a_dataclass_or_a_namespace(tmp_path):
    @dataclasses.dataclass
    class Settings:
        rate: float = 0.5

    import argparse

    for at, config in enumerate((Settings(), argparse.Namespace(rate=0.5), {"rate": 0.5})):
        with tracking.run(tmp_path / str(at), config=config):
            pass
        assert tracking.load(tmp_path / str(at)).config == {"rate": 0.5}
    with pytest.raises(TypeError, match="config= is a dict"):
        tracking.run(tmp_path / "x", config=3)
    with pytest.raises(TypeError, match=r"'config\.x' is object"):
        tracking.run(tmp_path / "x", config={"x": object()})
    assert not (tmp_path / "x").exists()
