"""The command line."""

import contextlib
import dataclasses
import io
import json
import shutil
import subprocess
import sys
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from scope_widgets import Microscope, circuits
from scope_widgets.cli import main
from tests.support.fake_transport import fake_remote


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "circuit"
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert main(["circuits", "--task", "ioi", "--pairs", "20", "--edges", "24", "--out", str(out)]) == 0
    return out, said.getvalue()


def test_it_is_a_program_of_its_own(tmp_path):
    """What is asked for is checked before anything heavy is imported."""
    command = [sys.executable, "-X", "importtime", "-m", "scope_widgets.cli", "circuits", "--pairs", "1"]
    done = subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--pairs is 2 or more" in done.stderr
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "argparse" in imported
    assert "torch" not in imported


def test_one_command_writes_a_graph_and_a_table(written):
    out, said = written
    assert sorted(path.name for path in out.iterdir()) == [
        "circuit.dot", "circuit.html", "circuit.json", "circuit.svg", "edges.csv",
    ]  # fmt: skip
    assert "faithfulness" in said
    assert "random circuits" in said
    circuit = circuits.Circuit.from_json((out / "circuit.json").read_text())
    assert circuit.n_edges == 24
    assert len((out / "edges.csv").read_text().splitlines()) == circuit.graph.n_edges + 1


def test_the_drawing_has_every_edge(written):
    out, _ = written
    drawing = ElementTree.fromstring((out / "circuit.svg").read_text())
    curves = drawing.findall("{http://www.w3.org/2000/svg}path")
    assert len(curves) == 24
    if shutil.which("dot"):
        subprocess.run(["dot", "-Tsvg", str(out / "circuit.dot")], check=True, capture_output=True)


def test_labels_of_a_drawing_are_text(written):
    circuit = circuits.Circuit.from_json((written[0] / "circuit.json").read_text())
    circuit.labels["a3.h1"] = "<script>"
    assert "<script>" not in circuits.to_svg(circuit)


def test_a_task_from_a_file(tmp_path, capsys):
    prompts = {
        "clean": ["When Mary and John went to the store, John gave a drink to"] * 2,
        "corrupted": ["When Mary and John went to the store, Mary gave a drink to"] * 2,
        "answer": [" Mary"] * 2,
        "versus": [" John"] * 2,
    }
    file = tmp_path / "giving.json"
    file.write_text(json.dumps(prompts))
    assert main(["circuits", "--task", str(file), "--out", str(tmp_path / "out")]) == 0
    assert "giving on demo" in capsys.readouterr().out
    file.write_text(json.dumps({"clean": []}))
    assert main(["circuits", "--task", str(file), "--out", str(tmp_path / "out")]) == 1
    assert "lists named clean, corrupted, answer and versus" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--task", "toxicity"], "There is no task 'toxicity'; there are greater_than"),
        (["--method", "guess"], "the known ones are 'eap'"),
        (["--model", "no/such-model-at-all"], "no/such-model-at-all"),
        (["--task", "nowhere.json"], "nowhere.json"),
    ],
)
def test_what_goes_wrong_is_a_sentence(arguments, sentence, tmp_path, capsys):
    assert main(["circuits", *arguments, "--out", str(tmp_path)]) == 1
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "status", "said"),
    [
        (("--out", "/proc/x"), 1, "/proc/x"),
        (("--edges", "99999"), 2, "--edges is 0 to "),
        (("--edges", "-1"), 2, "got -1"),
    ],
)
def test_what_is_wrong_is_said_before_the_work(wrong, status, said, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(circuits, "discover", lambda *_: pytest.fail("the work was begun"))
    assert main(["circuits", "--pairs", "4", *wrong]) == status
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("edges", [None, "8"])
def test_a_model_on_a_server_needs_no_weights_here(edges, demo, monkeypatch, tmp_path):
    remote = fake_remote(demo)
    monkeypatch.setattr(Microscope, "load", lambda *_, **__: remote)
    asked = [] if edges is None else ["--edges", edges]
    command = ["circuits", "--remote", "--pairs", "4", "--method", "eap", *asked, "--out", str(tmp_path)]
    assert main(command) == 0
    assert remote.transport.asked[0] == "discover"
    circuit = circuits.Circuit.from_json((tmp_path / "circuit.json").read_text())
    assert circuit.n_edges == 8 if edges else circuit.n_edges > 0
    assert main([*command, "--edges", str(circuit.graph.n_edges + 1)]) == 2
    assert remote.transport.asked.count("discover") == 1


def test_more_edges_than_a_model_turns_out_to_have_write_nothing(demo, monkeypatch, tmp_path, capsys):
    found = circuits.discover(demo, circuits.task(demo, "ioi", n=2), "eap")
    few = dataclasses.replace(found.graph, whole=tuple(range(demo.n_layers)))  # as where each block is one node
    monkeypatch.setattr(circuits, "discover", lambda *_: SimpleNamespace(graph=few))
    assert main(["circuits", "--pairs", "4", "--edges", str(few.n_edges + 1), "--out", str(tmp_path)]) == 2
    assert f"--edges is 0 to {few.n_edges:,}" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
