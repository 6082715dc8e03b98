"""Panels of what lies in a workspace: reports, runs, projections of recordings; hostile texts are texts."""

from __future__ import annotations

import asyncio
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scope_widgets import evals, features, geometry, report, tracking
from scope_widgets._job import Job
from scope_widgets.apps.workbench.files import Files
from scope_widgets.tracking.runs import fingerprint
from scope_widgets.widgets.core.selection import Selection
from scope_widgets.widgets.workbench.panels import followed_page
from scope_widgets.widgets.workbench.panels.make_panel import checked, make_panel
from scope_widgets.widgets.workbench.panels.panel_prompt import Prompt, no_folder
from scope_widgets.widgets.workbench.shared_lens import SharedLens

HOSTILE = "</td><script>alert(1)</script>"
TEXTS = ["Mary gave John a book", "the dog runs to the house", "John and Mary went to the store", "the cats run"]


def panel(scope: Any, folder: Path, kind: str, /, text: str = "Mary gave John a book", **options: Any) -> Any:
    prompt = Prompt(
        scope, text, scope.trace(text), SharedLens(), Selection(), no_folder, lambda steps: steps, Files(folder).below
    )
    return Job(make_panel(kind, prompt, checked(kind, options))).result(progress=False)


def test_runs_are_a_table_of_texts(demo: Any, tmp_path: Path) -> None:
    with tracking.run(tmp_path / "first", config={"rate": 0.5, "note": HOSTILE}) as run:
        run.log({"loss": 0.25})
    view = panel(demo, tmp_path, "runs")
    assert view.title.endswith(", 1")
    assert "0.25" in view.document
    assert "<script" not in view.document
    assert "&lt;script&gt;" in view.document
    assert view.still_table()[1][0][0] == "first"
    (tmp_path / "empty").mkdir()
    assert "no runs here" in panel(demo, tmp_path, "runs", folder="empty").document
    for name in ("../x", "nowhere", "/etc"):
        with pytest.raises((ValueError, FileNotFoundError), match=r"no folder|no name"):
            panel(demo, tmp_path, "runs", folder=name)


def test_a_report_has_its_entries_without_scripts(demo: Any, tmp_path: Path) -> None:
    found = report.document(demo, [])
    found.save(tmp_path / "mine")
    view = panel(demo, tmp_path, "report", folder="mine")
    assert "<script" not in view.document
    assert "demo" in view.document
    assert view.made_by.endswith("report.Documentation.load('mine')\n")
    with pytest.raises(ValueError, match="There are reports in mine"):
        panel(demo, tmp_path, "report", folder="")
    (tmp_path / "mine" / "documentation.json").write_text("{}")
    with pytest.raises(ValueError):
        panel(demo, tmp_path, "report", folder="mine")


def test_a_report_that_is_not_there_is_written(demo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = rf"microscope analyze --model demo --out {tmp_path.name}/report"
    with pytest.raises(ValueError, match=f"(?s)There is no report in 'report'.*{command}"):
        panel(demo, tmp_path, "report")
    monkeypatch.setattr(report, "analyse", partial(report.analyse, writers={}, n=8))
    assert "demo" in panel(demo, tmp_path, "report", make=True).document
    assert report.Documentation.load(tmp_path / "report").score is not None
    monkeypatch.setattr(report, "analyse", lambda *_: pytest.fail("it is there"))
    panel(demo, tmp_path, "report", make=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file"):
        panel(demo, tmp_path, "report", folder="file", make=True)


def test_a_model_that_is_measured_leaves_a_run(demo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "microscope analyze --model demo" in panel(demo, tmp_path, "runs").document
    monkeypatch.setattr(evals, "run", partial(evals.run, suites="bias", n=4))
    for _ in range(2):
        header, rows = panel(demo, tmp_path, "runs", make=True).still_table()
        assert "evals/bias.stereotyped" in header
    assert sorted(row[:2] for row in rows) == [["evals-001", "done"], ["evals-002", "done"]]


def test_a_recording_is_projected_as_the_library_does(demo: Any, tmp_path: Path) -> None:
    recording = features.record(demo, TEXTS, layers=[1, 2], folder=tmp_path / "rec", progress=False)
    view = panel(demo, tmp_path, "projection", recording="rec")
    chosen = geometry.points(recording, 1, n=2000)
    expected = geometry.project(recording.rows(1)[chosen.rows], k=min(10, (len(chosen) - 1) // 2))
    shown, wanted = (np.ptp(one, 0) for one in (view.points[0], expected.coordinates))
    np.testing.assert_allclose(shown / shown[0], wanted / wanted[0], rtol=1e-5)  # layers are drawn in one size
    assert view.layers == [1, 2]


def test_a_prompt_is_projected_without_its_first_token(demo: Any, tmp_path: Path) -> None:
    view = panel(demo, tmp_path, "projection")
    assert view.n_points == len(demo.trace("Mary gave John a book").tokens) - 1
    assert view.layers == list(range(demo.n_layers + 1))
    # words that come twice, alike before the first block
    assert panel(demo, tmp_path, "projection", text="When Mary and John went, John gave Mary a drink to").n_points
    with pytest.raises(ValueError, match="4 tokens or more"):
        panel(demo, tmp_path, "projection", text="the dog")


def test_runs_are_shown_as_they_come_and_change(demo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed_page, "LOOK_S", 0.001)
    monkeypatch.setattr(followed_page, "_REST", 0.0)

    async def follow() -> None:
        view = panel(demo, tmp_path, "runs")
        changed = asyncio.Event()
        view.observe(lambda _: changed.set(), "document")

        async def until(text: str) -> None:
            while text not in view.document:
                changed.clear()
                await asyncio.wait_for(changed.wait(), 60)

        assert "no runs here" in view.document
        with tracking.run(tmp_path / "first") as run:
            await until("first")
            run.log({"loss": 0.125})
            await until("0.125")
        await until("done")
        assert view.title.endswith(", 1")
        assert view.still_table()[1][0][0] == "first"
        (tmp_path / "first" / "run.json").write_text("{")  # which is said, and the panel goes on
        await until("damaged")
        shutil.rmtree(tmp_path / "first")
        await until("no runs here")
        view.close()
        assert view._timer.cancelled()
        assert view._looking is None or view._looking.done

    asyncio.run(follow())


def test_a_folder_is_not_read_again_where_nothing_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed_page, "LOOK_S", 0.001)
    monkeypatch.setattr(followed_page, "_REST", 0.0)
    with tracking.run(tmp_path / "first"):
        pass
    looks: list[int] = []

    async def follow() -> None:
        view = followed_page.FollowedPage("", ([], []), title="Runs")
        looked = asyncio.Event()
        loop = asyncio.get_running_loop()

        def state() -> int:
            looks.append(fingerprint(tmp_path))
            if len(looks) == 5:
                loop.call_soon_threadsafe(looked.set)
            if len(looks) == 2:
                raise OSError("a disk that is away for a moment")
            return looks[-1]

        view.follow_files(state, lambda: pytest.fail("it was read"), fingerprint(tmp_path))
        await asyncio.wait_for(looked.wait(), 60)
        view.close()

    asyncio.run(follow())
    assert len(set(looks)) == 1
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        fingerprint(tmp_path / "none")
