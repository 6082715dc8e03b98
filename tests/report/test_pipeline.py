"""The pipeline: killed anywhere it goes on to the same bytes; what is finished is not done again; what is not is."""

import dataclasses
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest
import torch

from scope_widgets import Microscope, tracking
from scope_widgets.features import FeatureIndex, Recording
from scope_widgets.geometry import GeometrySummary
from scope_widgets.report import Documentation
from scope_widgets.report.pipeline import __main__ as worker
from scope_widgets.report.pipeline import plan, work_folder
from scope_widgets.report.pipeline import run as pipeline
from scope_widgets.report.pipeline.folder_lock import locked
from scope_widgets.report.pipeline.manifest import Manifest
from scope_widgets.report.pipeline.settings import Settings
from scope_widgets.report.pipeline.stage import Context, Stage
from scope_widgets.report.pipeline.stages import page
from scope_widgets.report.pipeline.stages.saes import read_saes
from tests.support.forked import Forked
from tests.support.tiny_models import CONFIGS, tiny_tokenizer

#: the smallest that runs every stage; that documentation goes on within itself is tested in test_analyse.py
SMALL = Settings(num_samples=8, layers=(1,), tasks=("greater_than",), skip_sae=True)
STAGES = ["architecture", "recording", "geometry", "heads", "circuits", "documentation", "report"]


def outputs(folder):
    """Digests of all files, but for the tracked runs; of the manifest without what was measured."""
    found = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in ("runs", "manifest.json", ".lock")
    }
    manifest = json.loads((folder / "manifest.json").read_text())
    for stage in manifest["stages"].values():
        assert stage.pop("measured")["seconds"] >= 0
    return found, manifest


@pytest.fixture(scope="module")
def whole(demo, tmp_path_factory):
    """The folder of a run that nothing stopped, and how many files were renamed in it."""
    out = tmp_path_factory.mktemp("analysis") / "whole"

    def work():
        renamed = counting(lambda _: None)
        pipeline.run(demo, SMALL, out)
        return renamed[0]

    return out, Forked(work).result()


def counting(at_rename):
    """Call a function with the number of each file that is renamed, before it is."""
    replace, count = os.replace, [0]

    def counted(*names):
        count[0] += 1
        at_rename(count[0])
        replace(*names)

    os.replace = counted  # in a copy of this process, which ends
    return count


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_folder_has_what_each_stage_found(whole, demo):
    out, _ = whole
    names = {path.name for path in out.iterdir()} - {".lock"}
    assert names == {
        "architecture", "circuits", "documentation.html", "documentation.json", "documentation.md", "geometry",
        "heads", "manifest.json", "recording", "report.html", "runs", "summary.md",
    }  # fmt: skip
    manifest = Manifest.read(out)
    assert list(manifest.stages) == STAGES
    listed = {name for stage in manifest.stages.values() for name in stage.files}
    assert listed == set(outputs(out)[0])
    assert manifest.stages["report"].inputs["documentation"] == manifest.stages["documentation"].key
    assert Documentation.load(out).fingerprint == manifest.fingerprint
    assert len(Recording.load(out / "recording").layers) == 1
    assert GeometrySummary.from_json((out / "geometry" / "layer-01.json").read_text())[1].statistics is not None
    page = (out / "report.html").read_text()
    assert "default-src 'none'" in page
    assert "Heads on repeated tokens" in page
    assert tracking.load(out / "runs" / "001").status == "done"
    assert tracking.load(out / "runs" / "001").last["heads/seconds"] > 0


def test_killed_at_every_boundary_it_ends_with_the_same_bytes(whole, demo, tmp_path):
    """Before and behind each stage; each run goes on until the next boundary."""
    out = tmp_path / "killed"
    for kind in [(kind, name) for name in STAGES for kind in ("begun", "finished")]:
        child = Forked(lambda kind=kind: pipeline.run(demo, SMALL, out, tell=lambda *a, **_: a == kind and die()) and 0)
        with pytest.raises(AssertionError, match=f"ended with {int(signal.SIGKILL)}"):
            child.result()
    assert set(tracking.runs(out)["status"]) == {"killed"}
    Forked(lambda: pipeline.run(demo, SMALL, out) and 0).result()
    assert outputs(out) == outputs(whole[0])


def test_killed_between_any_two_files_it_ends_with_the_same_bytes(whole, demo, tmp_path):
    """At five moments, one after the other, drawn among the renamings of files: within stages and in their places."""
    out = tmp_path / "killed"
    moments = sorted(random.Random(0).sample(range(1, whole[1]), 5))
    for before, at in zip([0, *moments], moments, strict=False):

        def work(wait=at - before):
            counting(lambda number: number == wait and die())
            pipeline.run(demo, SMALL, out)

        with pytest.raises(AssertionError, match=f"ended with {int(signal.SIGKILL)}"):
            Forked(work).result()
    Forked(lambda: pipeline.run(demo, SMALL, out) and 0).result()
    assert outputs(out) == outputs(whole[0])


def test_killed_while_a_work_folder_is_removed_nothing_is_left_of_it(whole, demo, tmp_path):
    out = tmp_path / "killed"

    def work():
        work_folder.shutil = types.SimpleNamespace(rmtree=lambda path, **_: Path(path).exists() and die())
        pipeline.run(demo, SMALL, out)

    with pytest.raises(AssertionError, match=f"ended with {int(signal.SIGKILL)}"):
        Forked(work).result()
    assert (out / ".architecture.part").is_dir()
    Forked(lambda: pipeline.run(demo, SMALL, out) and 0).result()
    assert outputs(out) == outputs(whole[0])


def copied(whole, folder):
    subprocess.run(["cp", "-r", str(whole[0]), str(folder)], check=True)
    return folder


def heard(scope, settings, out):
    """Run, and return which stages were begun."""
    found = []
    pipeline.run(scope, settings, out, tell=lambda kind, name, **_: kind == "begun" and found.append(name))
    return found


def test_what_is_finished_is_kept_and_what_is_damaged_is_made_again(whole, demo, tmp_path):
    out = copied(whole, tmp_path / "again")
    assert heard(demo, SMALL, out) == []
    (out / "heads" / "scores.csv").write_text("layer,head\n")
    (out / "architecture" / "architecture.json").unlink()
    assert heard(demo, SMALL, out) == ["architecture", "heads"]
    assert outputs(out) == outputs(whole[0])


def test_other_settings_run_what_depends_on_them(whole, demo, tmp_path):
    out = copied(whole, tmp_path / "other")
    other = dataclasses.replace(SMALL, layers=(2,))
    assert pipeline.finished_in(demo, other, out) == {
        name: name not in ("recording", "geometry", "report") for name in STAGES
    }
    assert heard(demo, other, out) == ["recording", "geometry", "report"]
    assert not (out / "geometry" / "layer-01.json").exists()  # nothing is left of the other ones
    assert (out / "geometry" / "layer-02.json").exists()


def test_a_folder_of_another_model_or_of_something_else_is_refused(whole, demo, tmp_path):
    out = copied(whole, tmp_path / "other")
    manifest = json.loads((out / "manifest.json").read_text())
    (out / "manifest.json").write_text(json.dumps(manifest | {"fingerprint": "00"}))
    with pytest.raises(ValueError, match="another model, demo with other weights: give another folder"):
        pipeline.run(demo, SMALL, out)
    outside = manifest | {"stages": {"heads": {"key": "", "inputs": {}, "files": {"/a": ""}}}}
    for text in ("{}", "[1", json.dumps(outside)):
        (out / "manifest.json").write_text(text)
        with pytest.raises(ValueError, match="is no manifest of an analysis"):
            pipeline.run(demo, SMALL, out)
    with tracking.run(tmp_path / "tracked"):
        pass
    with pytest.raises(ValueError, match="which is of no analysis"):
        pipeline.run(demo, SMALL, tmp_path / "tracked")


def test_two_processes_do_not_write_one_folder(tmp_path):
    with locked(tmp_path), pytest.raises(ValueError, match="Another process is writing"), locked(tmp_path, 0):
        pass
    with locked(tmp_path, 0):
        pass


def test_a_disk_without_room_is_said_and_nothing_is_lost(demo, tmp_path):
    out = tmp_path / "full"

    def work():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # as a full disk
        try:
            pipeline.run(demo, SMALL, out)
        except Exception as error:
            return worker._sentence(error, str(out))

    said = Forked(work).result()
    assert "There is no room left in" in said
    assert "the same command goes on" in said
    assert list(Manifest.read(out).stages) == ["architecture"]
    assert pipeline.finished_in(demo, SMALL, out) == {name: name == "architecture" for name in STAGES}


def test_where_memory_does_not_suffice_half_is_done(demo, tmp_path):
    tried = []

    def run(given):
        tried.append((given.halvings, given.fewer(100), given.fewer(100, 60), given.fewer(10, 20)))
        (given.work / f"kept-{given.halvings}").write_text("x")
        if given.halvings < 2:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 1 bytes")
        return ["A note."]

    said = []
    stage = Stage("planted", run, folder="planted")
    manifest = Manifest("demo", "", {})
    pipeline._done(stage, demo, SMALL, tmp_path, manifest, {"planted": "k"}, lambda *a, **b: said.append((a, b)), 0)
    assert tried == [(0, 100, 100, 10), (1, 50, 60, 10), (2, 25, 60, 10)]
    assert said == [(("halved", "planted"), {"halvings": 1}), (("halved", "planted"), {"halvings": 2})]
    found = manifest.stages["planted"]
    assert found.halved == 2
    assert found.notes == ["A note.", "Memory did not suffice: 1/4 was done at once, or of as many."]
    assert sorted(found.files) == ["planted/kept-0", "planted/kept-1", "planted/kept-2"]  # what was done is kept


def test_an_error_that_is_none_of_memory_is_raised(demo, tmp_path):
    def run(given):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        pipeline._done(
            Stage("planted", run), demo, SMALL, tmp_path, Manifest("demo", "", {}), {"planted": "k"}, lambda *_: None, 0
        )


def test_work_of_another_key_is_not_gone_on_with(tmp_path):
    stage = Stage("planted", lambda _: [])
    work = work_folder.work_folder(tmp_path, stage, "one")
    (work / "half").write_text("x")
    assert (work_folder.work_folder(tmp_path, stage, "one") / "half").exists()
    assert not (work_folder.work_folder(tmp_path, stage, "two") / "half").exists()


@pytest.mark.parametrize(
    "hostile",
    [
        {"files": {"../outside": "0"}},
        {"files": {"/outside": "0"}},
        {"files": {"planted/../../outside": "0"}},
        {"files": {"other/file": "0"}},
        {"files": {"manifest.json": "0"}},
        {"files": {"planted\\..\\outside": "0"}},
        {"files": ["planted/file"]},
        {"files": {"planted/file": 1}},
        {"inputs": None},
        {"notes": "a text"},
        {"halved": "2"},
        {"measured": {}},
        {"measured": {"seconds": "1", "peak_bytes": 1}},
        {"more": 1},
    ],
)
def test_what_a_killed_run_left_is_believed_only_as_far_as_its_folder(tmp_path, hostile):
    stage = Stage("planted", lambda _: [], folder="planted")
    said = {
        "key": "k", "inputs": {}, "files": {"planted/file": "0"}, "notes": [], "halved": 0,
        "measured": {"seconds": 1.0, "peak_bytes": 1},
    }  # fmt: skip
    (tmp_path / ".finished.json").write_text(json.dumps(said))
    assert work_folder.left_by(tmp_path, stage, "k").files == {"planted/file": "0"}
    assert work_folder.left_by(tmp_path, stage, "another") is None
    (tmp_path / ".finished.json").write_text(json.dumps(said | hostile))
    assert work_folder.left_by(tmp_path, stage, "k") is None


def test_the_page_does_not_say_what_ran_in_the_folder_before(whole, demo, tmp_path):
    """Stages that another run left in the manifest, in another order."""
    out, work = copied(whole, tmp_path / "again"), tmp_path / "work"
    work.mkdir()
    manifest = Manifest.read(out)
    other = dataclasses.replace(manifest.stages["heads"], notes=["A note of another run."])
    manifest.stages = {"evals": other, "saes": other, **dict(reversed(manifest.stages.items()))}
    manifest.write(out)
    page.STAGE.run(Context(demo, SMALL, out, work))
    assert (work / "report.html").read_bytes() == (out / "report.html").read_bytes()


def test_a_plan_names_each_stage(demo):
    names = [one.name for one in pipeline.stages_of(Settings(evals=True))]
    found = plan.plan(demo, Settings(), names)
    assert [one.stage for one in found] == names
    assert names == [*STAGES[:3], "saes", *STAGES[3:6], "evals", "report"]
    weights = sum(one.numel() * 4 for one in demo.model.parameters())
    for one in found:
        assert 0 < one.seconds < 3600
        assert weights < one.peak_bytes < 10**10


def test_layers_are_checked_and_spread(demo):
    assert Settings().layers_of(demo) == [0, 1, 2, 3]
    assert Settings(layers=(4, 0, 4)).layers_of(demo) == [0, 4]
    with pytest.raises(ValueError, match="0 to 4 for demo"):
        Settings(layers=(5,)).layers_of(demo)
    deep = type("Deep", (), {"n_layers": 30, "model_id": "deep"})()
    assert Settings().layers_of(deep) == [0, 4, 8, 12, 17, 21, 25, 29]


@pytest.fixture(scope="module")
def olmo2():
    """A random OLMo 2 of four layers, whose tokenizer knows no word of any task."""
    config_class, model_class, options = CONFIGS["olmo2"]
    torch.manual_seed(0)
    model = model_class(config_class(**options | {"num_hidden_layers": 4})).eval()
    return Microscope.for_model(model, tiny_tokenizer())


def test_a_random_model_that_knows_no_word_is_written_down_too(olmo2, tmp_path):
    settings = Settings(num_samples=8, tasks=("ioi",), layers=(2,))
    manifest = pipeline.run(olmo2, settings, tmp_path / "out")
    assert set(manifest.stages) == {*STAGES, "saes"}
    assert "random tokens were recorded" in manifest.stages["recording"].notes[0]
    assert any("ioi" in note for note in manifest.stages["circuits"].notes)
    ((sae, index),) = read_saes(olmo2, tmp_path / "out").items()
    assert (sae.layer, len(index)) == (2, 128)
    assert isinstance(index, FeatureIndex)
    assert not list((tmp_path / "out").rglob("checkpoint*"))


@pytest.mark.heavy
@pytest.mark.timeout(3600)
def test_the_command_killed_at_every_boundary_and_at_five_random_moments(tmp_path):
    """The whole command with its process: both are gone, and the next one goes on."""
    root = Path(__file__).parents[2]

    def begin(out):
        arguments = ["--num-samples", "8", "--tasks", "induction", "--skip-sae", "--layers", "2", "--out", str(out)]
        command = [sys.executable, "-m", "scope_widgets.cli", "analyze", *arguments]
        return subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL)

    begun = time.monotonic()
    whole, out = tmp_path / "whole", tmp_path / "killed"
    assert begin(whole).wait() == 0
    seconds = time.monotonic() - begun

    def finished():
        found = Manifest.read(out) if out.is_dir() else None
        return 0 if found is None else len(found.stages)

    for at in range(1, len(STAGES) + 1):
        process = begin(out)
        while finished() < at and process.poll() is None:
            time.sleep(0.002)
        process.kill()
        process.wait()
    assert begin(out).wait() == 0
    assert outputs(out) == outputs(whole)
    shutil.rmtree(out)
    moments = random.Random(1)
    for _ in range(5):
        process = begin(out)
        time.sleep(moments.uniform(0.1, 0.3) * seconds)
        process.kill()
        process.wait()
    assert begin(out).wait() == 0
    assert outputs(out) == outputs(whole)
