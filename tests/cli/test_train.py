"""`microscope train`."""

import json
import subprocess
import sys

import pytest
import torch

from scope_widgets import features
from scope_widgets._check_choice import choices
from scope_widgets.cli import main
from scope_widgets.cli import train as cli_train
from scope_widgets.features.recording.record import RecordedSite
from scope_widgets.features.training import run as run_module
from scope_widgets.features.training.settings import Architecture

TEXTS = ["When Mary and John went to the store, John gave a drink to Mary", "the dog runs and the cats run"] * 60


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    file = tmp_path_factory.mktemp("texts") / "texts.jsonl"
    file.write_text("".join(json.dumps({"text": f"{text} {at}"}) + "\n" for at, text in enumerate(TEXTS)))
    return file


def command(texts, out, *more):
    options = {"--layer": 2, "--d-sae": 64, "--k": 4, "--steps": 600, "--batch": 64, "--out": out} | dict(more)
    return ["train", "--texts", str(texts), *(str(one) for pair in options.items() for one in pair)]


def test_one_command_trains_and_writes(texts, tmp_path, capsys):
    assert main(command(texts, tmp_path)) == 0
    said = capsys.readouterr().out
    sae = features.load(tmp_path)
    assert (sae.layer, sae.site, sae.model, sae.d_sae) == (2, "residual", "demo", 64)
    assert "on texts that it was not trained on" in said
    assert "features.load" in said
    rec = features.Recording.load(tmp_path / "recording")
    again = features.train(rec, d_sae=64, k=4, steps=600, batch=64, progress=False)
    torch.testing.assert_close(sae.W_dec, again.W_dec)
    assert again.history["loss"][-1] < again.history["loss"][0]
    torch.testing.assert_close(sae.W_dec.norm(dim=1), torch.ones(64), atol=1e-5, rtol=0)


def test_several_sizes_and_sparsities_are_trained_over_one_reading(texts, tmp_path, capsys):
    given = ["train", "--texts", str(texts), "--layer", "2", "--steps", "20", "--batch", "64", "--out", str(tmp_path)]
    assert main([*given, "--d-sae", "64", "32", "--k", "4", "2"]) == 0
    said = capsys.readouterr().out
    for d_sae in (64, 32):
        for k in (4, 2):
            folder = tmp_path / f"batch_topk-{d_sae}-{k}"
            assert f"features.load({str(folder)!r})" in said
            assert features.load(folder).d_sae == d_sae


@pytest.mark.parametrize("architecture", ["batch_topk", "topk"])
def test_a_transcoder_is_trained_by_its_target(architecture, texts, tmp_path, capsys):
    given = ("--target", "mlp_out"), ("--steps", 20), ("--architecture", architecture)
    assert main([*command(texts, tmp_path, *given), "--skip"]) == 0
    said = capsys.readouterr().out
    sae = features.load(tmp_path)
    assert (sae.site, sae.output_site, sae.layer, sae.model) == ("mlp_in", "mlp_out", 2, "demo")
    assert sae.W_skip is not None
    assert all((tmp_path / name).exists() for name in said.split(": cfg.json, ")[1].split(";")[0].split(", "))
    rec = features.Recording.load(tmp_path / "recording")
    options = {"d_sae": 64, "k": 4, "steps": 20, "batch": 64, "architecture": architecture, "skip": True}
    assert torch.equal(features.train(rec, target="mlp_out", progress=False, **options).W_dec, sae.W_dec)
    given = ["train", "--recording", str(rec.folder), "--target", "neurons", "--out", str(tmp_path / "other")]
    assert main(given) == 1
    assert "--target 'neurons' is not what this recording has" in capsys.readouterr().err


def test_a_stopped_command_goes_on(texts, tmp_path, capsys, monkeypatch):
    """Ctrl-C at step 150; the same command then gives what one run gives."""
    short = ("--steps", 300), ("--architecture", "topk")
    assert main(command(texts, tmp_path / "whole", *short)) == 0
    step, steps = run_module.TrainingRun.step, []

    def stopped(run, x, y):
        steps.append(1)
        if len(steps) == 150:
            raise KeyboardInterrupt
        return step(run, x, y)

    with monkeypatch.context() as patch:
        patch.setattr(run_module.TrainingRun, "step", stopped)
        assert main(command(texts, tmp_path / "stopped", *short)) == 130
    said = capsys.readouterr().err
    assert said.endswith(
        "microscope: Training was stopped after 149 of 300 steps: the same command goes on from there.\n"
    )
    assert not (tmp_path / "stopped" / "cfg.json").exists()
    steps.clear()
    monkeypatch.setattr(run_module.TrainingRun, "step", lambda run, x, y: steps.append(1) or step(run, x, y))
    assert main(command(texts, tmp_path / "stopped", *short)) == 0
    assert len(steps) == 151
    one, other = features.load(tmp_path / "whole"), features.load(tmp_path / "stopped")
    torch.testing.assert_close(one.W_dec, other.W_dec)
    assert main(command(texts, tmp_path / "stopped", *short, ("--seed", 3))) == 1
    assert "checkpoint of another run, of other arguments (--seed 0, not 3)" in capsys.readouterr().err


def test_other_texts_in_the_same_folder_are_refused(texts, tmp_path, capsys):
    """Neither the recording nor the weights of others are taken for those that are asked for."""
    other = tmp_path / "other.jsonl"
    other.write_text("".join(json.dumps({"said": f"the horse sees {at} dogs"}) + "\n" for at in range(120)))
    out, short = tmp_path / "out", ("--steps", 20)
    assert main(command(texts, out, short)) == 0
    before = (out / "sae_weights.safetensors").read_bytes()
    capsys.readouterr()
    assert main(command(other, out, short)) == 1
    assert "has no 'text'; it has 'said': give --column." in capsys.readouterr().err
    assert main(command(other, out, short, ("--column", "said"))) == 1
    said = capsys.readouterr()
    assert (said.out, "holds a recording of other texts" in said.err) == ("", True)
    assert (out / "sae_weights.safetensors").read_bytes() == before
    rec = features.record(demo_scope(), other, layers=2, folder=tmp_path / "rec", column="said", progress=False)
    given = ["--d-sae", "64", "--k", "4", "--steps", "20", "--batch", "64", "--out", str(out)]
    assert main(["train", "--recording", str(rec.folder), *given]) == 1
    assert "checkpoint of another run, of other rows" in capsys.readouterr().err
    assert main(command(texts, out, short)) == 0


def test_words_of_the_command_are_those_of_the_functions():
    assert choices(RecordedSite) == cli_train.SITES
    assert choices(Architecture) == cli_train.ARCHITECTURES


def test_help_says_defaults(capsys):
    assert main(["train", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for one in ("mlp_in", "(default: sae)", "(default: 32)", "--column", "at the same number of threads"):
        assert one in said


def test_a_file_in_the_place_of_the_folder(texts, tmp_path, capsys):
    (tmp_path / "plain").write_text("mine")
    assert main(command(texts, tmp_path / "plain")) == 1
    assert "is no folder, but a file: give a folder" in capsys.readouterr().err
    assert (tmp_path / "plain").read_text() == "mine"


def test_more_latents_than_there_are_by_default_is_said_before_recording(texts, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(features, "record", lambda *_, **__: pytest.fail("the work was begun"))
    given = ["train", "--texts", str(texts), "--layer", "2", "--k", "2000", "--out", str(tmp_path)]
    assert main(given) == 1
    assert "--k 2000 latents cannot fire where there are 1024" in capsys.readouterr().err


def test_a_recording_in_place_of_texts(texts, tmp_path, capsys):
    rec = features.record(demo_scope(), texts, layers=[1, 2], folder=tmp_path / "rec", progress=False)
    given = ["train", "--recording", str(rec.folder), "--d-sae", "64", "--k", "4", "--steps", "20", "--batch", "64"]
    assert main([*given, "--out", str(tmp_path / "sae")]) == 1
    assert "say which one, --layer 2." in capsys.readouterr().err
    assert main([*given, "--layer", "1", "--out", str(tmp_path / "sae")]) == 0
    assert features.load(tmp_path / "sae").layer == 1
    assert not (tmp_path / "sae" / "recording").exists()


def demo_scope():
    from scope_widgets import Microscope

    return Microscope.load("demo")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--k", 0), "--k is a whole number from 1"),
        (("--k", 99), "--k 99 latents cannot fire"),
        (("--steps", -3), "--steps is a whole number from 1"),
        (("--out", "/proc/x"), "/proc/x"),
        (("--site", "nowhere"), "--site is one of residual"),
        (("--target", "nowhere"), "--target is one of residual, attention_out"),
        (("--target", "mlp_in"), "--target is another site than --site mlp_in"),
        (("--architecture", "vanilla"), "--architecture is one of batch_topk"),
        (("--seed", -1), "--seed is a whole number"),
    ],
)
def test_what_is_wrong_is_said_before_the_work(wrong, said, texts, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(features, "record", lambda *_, **__: pytest.fail("the work was begun"))
    assert main(command(texts, tmp_path, wrong)) == (1 if wrong[0] == "--out" else 2)
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--layer", 99), "--layer takes blocks of demo, 0 to 4"),
        (("--model", "no/such-model-at-all"), "no/such-model-at-all"),
    ],
)
def test_what_goes_wrong_is_a_sentence(wrong, said, texts, tmp_path, capsys):
    assert main(command(texts, tmp_path, wrong)) == 1
    assert said in capsys.readouterr().err


def test_it_refuses_without_torch(tmp_path):
    """What is asked for is checked before anything heavy is imported."""
    given = ["train", "--texts", str(tmp_path / "none.txt"), "--layer", "1", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "scope_widgets.cli", *given],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "--texts names a file of texts" in done.stderr
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "torch" not in imported
