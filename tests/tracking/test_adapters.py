"""What a run tells other packages: to stand-ins here, and to the packages themselves where they are installed."""

import sys
import time
import types
from importlib.util import find_spec

import pytest

from scope_widgets import tracking
from scope_widgets.tracking.adapters import open_adapters
from scope_widgets.tracking.adapters.adapter import flat, numbers_of


class Stand:
    """A stand-in for an adapter, which keeps what it is told."""

    def __init__(self, folder, name, config, options):
        self.told = [("begin", name, config, options)]
        made.append(self)

    def __getattr__(self, method):
        if method.startswith("__"):
            raise AttributeError(method)
        return lambda *arguments: self.told.append((method, *arguments))


class Failing(Stand):
    def log(self, values, step):
        raise ConnectionError("nobody there")


made = []


@pytest.fixture
def stand(monkeypatch):
    """Two adapters, "stand" and "failing", in place of those of other packages."""
    made.clear()
    for name, kind in (("stand", Stand), ("failing", Failing)):
        home = f"scope_widgets.tracking.adapters.{name}_run"
        monkeypatch.setitem(sys.modules, home, types.SimpleNamespace(**{kind.__name__: kind}))
        monkeypatch.setitem(open_adapters._HOMES, name, (kind.__name__, "json"))


def test_an_adapter_is_told_all(stand, tmp_path):
    with tracking.run(tmp_path / "a", config={"x": 1}, adapters={"stand": {"project": "p"}}) as run:
        run.log({"loss": float("inf"), "deep": {"a": 1}}, step=5)
        run.table("t", {"a": [1]})
        run.file(__file__, name="n")
        run.add_config({"y": 2})
    told = {call[0]: call[1:] for call in made[0].told}
    assert list(told) == ["begin", "log", "table", "file", "config", "end"]
    assert told["begin"] == ("a", {"x": 1, "y": 2}, {"project": "p"})
    assert told["log"] == ({"loss": float("inf"), "deep": {"a": 1}}, 5)
    assert told["config"] == ({"y": 2},)
    assert told["end"] == ("done",)


def test_what_fails_in_an_adapter_is_a_warning(stand, tmp_path):
    with tracking.run(tmp_path / "a", adapters=["failing", "stand"]) as run:
        with pytest.warns(
            UserWarning, match="failing takes no more of 'a', and its folder does: ConnectionError: nobody"
        ):
            run.log({"loss": 1.0})
        run.log({"loss": 2.0})
    assert tracking.load(tmp_path / "a").history["loss"].tolist() == [1.0, 2.0]
    assert [call[0] for call in made[1].told] == ["begin", "log", "log", "end"]


def test_adapters_are_checked_before_there_is_a_folder(tmp_path, monkeypatch):
    for given in ("wandb", ["x"], {"wandb": 3}, 5):
        with pytest.raises(ValueError, match="adapter"):
            tracking.run(tmp_path / "a", adapters=given)
    monkeypatch.setitem(open_adapters._HOMES, "none", ("None", "no_such_package"))
    with pytest.raises(ImportError, match="The adapter 'none' needs the package 'no_such_package': pip install"):
        tracking.run(tmp_path / "a", adapters=["none"])
    assert not (tmp_path / "a").exists()


def test_numbers_and_flat_configs():
    values = {"a": True, "b": {"c": 2, "d": "text"}, "e": [1]}
    assert numbers_of(values) == {"a": 1.0, "b.c": 2.0}
    assert flat(values) == {"a": True, "b.c": 2, "b.d": "text", "e": "[1]"}


# --- the packages themselves ------------------------------------------------------------------------------------------


def a_run(folder, adapter, **options):
    """Make a run with all that it may have."""
    page = folder / "note.txt"
    page.write_text("a note")
    with tracking.run(folder / "a", config={"rate": 0.5, "deep": {"x": [1]}}, adapters={adapter: options}) as run:
        for step in (0, 10):
            run.log({"loss": 1.0 / (1 + step), "text": "said", "odd": float("nan")}, step=step)
        run.table("scores", {"head": ["3.1", "2.0"], "score": [0.5, float("nan")]})
        run.file(page)
        run.add_config({"late": 3})


needs = {
    name: pytest.mark.skipif(find_spec(name) is None, reason=f"{name} is not installed") for name in open_adapters.NAMES
}


@pytest.mark.heavy
@needs["tensorboard"]
def test_tensorboard_itself(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    a_run(tmp_path, "tensorboard")
    read = EventAccumulator(str(tmp_path / "a" / "tensorboard"))
    read.Reload()
    assert [(one.step, round(one.value, 4)) for one in read.Scalars("loss")] == [(0, 1.0), (10, round(1 / 11, 4))]
    assert {"scores/text_summary", "status/text_summary", "config/late/text_summary"} <= set(read.Tags()["tensors"])


@pytest.mark.heavy
@needs["mlflow"]
def test_mlflow_itself(tmp_path):
    a_run(tmp_path, "mlflow")
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("scope-widgets").experiment_id])
    assert (run.info.run_name, run.info.status) == ("a", "FINISHED")
    assert run.data.params == {"rate": "0.5", "deep.x": "[1]", "late": "3"}
    assert [(one.step, one.value) for one in client.get_metric_history(run.info.run_id, "loss")] == [
        (0, 1.0),
        (10, 1 / 11),
    ]
    assert {one.path for one in client.list_artifacts(run.info.run_id)} == {"scores.json", "note.txt"}


@pytest.mark.heavy
@needs["wandb"]
def test_wandb_itself(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    a_run(tmp_path, "wandb")
    (folder,) = (tmp_path / "a" / "wandb").glob("offline-run-*")
    (written,) = folder.glob("*.wandb")
    words, until = (b"loss", b"rate", b"note.txt", b"scores"), time.monotonic() + 60
    while not all(word in written.read_bytes() for word in words):  # a process of wandb's own writes
        assert time.monotonic() < until, written.read_bytes()[:500]
        time.sleep(0.1)


@pytest.mark.heavy
@needs["trackio"]
def test_trackio_itself(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # read when it is imported
    a_run(tmp_path, "trackio", project="tests")
    import trackio

    (run,) = trackio.Api().runs("tests")
    assert run.name == "a"
    assert run.config["rate"] == 0.5
    rows = trackio.SQLiteStorage.get_logs("tests", "a")
    assert [(row["step"], row["loss"]) for row in rows if "loss" in row] == [(0, 1.0), (10, 1 / 11)]
    assert any("scores" in row for row in rows)
