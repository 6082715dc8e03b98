"""Training notes its settings and measures in the run that is open, and nothing where none is."""

import errno

import pytest
import torch

from scope_widgets import features, tracking

ROWS = torch.randn(512, 8, generator=torch.Generator().manual_seed(0))
OPTIONS = {"d_sae": 16, "k": 2, "steps": 201, "batch": 64, "progress": False}


def test_the_open_run_has_the_history(tmp_path):
    with tracking.run(tmp_path / "run"):
        sae = features.train(ROWS, **OPTIONS)
    read = tracking.load(tmp_path / "run")
    assert read.config["train"]["d_sae"] == 16
    table = read.history
    assert table["step"].tolist() == sae.history["step"] == [200, 201]
    for name, values in sae.history.items():
        if name != "step":
            assert table[f"train/{name}"].tolist() == pytest.approx(values, nan_ok=True)


def test_of_several_each_has_its_name(tmp_path):
    with tracking.run(tmp_path / "run"):
        features.train_several(ROWS, **{**OPTIONS, "k": [1, 2]}, folder=tmp_path / "saes")
    read = tracking.load(tmp_path / "run")
    assert set(read.config) == {"train-batch_topk-16-1", "train-batch_topk-16-2"}
    assert {"train-batch_topk-16-1/loss", "train-batch_topk-16-2/loss"} <= set(read.last)


def test_a_full_disk_does_not_end_training(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    plain = features.train(ROWS, **OPTIONS)
    with tracking.run(tmp_path / "run") as run:
        monkeypatch.setattr(run, "log", full)
        with pytest.warns(UserWarning, match="No space left"):
            sae = features.train(ROWS, **OPTIONS)
    assert torch.equal(sae.W_dec, plain.W_dec)
