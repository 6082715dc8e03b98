"""Autoencoders that are trained over one reading are those that are trained alone."""

from itertools import product

import pytest
import torch

from scope_widgets import features
from scope_widgets.features.training import run as run_module
from scope_widgets.features.training.training_rows import TrainingRows
from tests.features.training.test_train import planted

OPTIONS = {"batch": 128, "steps": 60, "progress": False}


def same(one, other):
    return one.history == other.history and all(
        torch.equal(getattr(one, name), getattr(other, name)) for name in ("W_enc", "W_dec", "b_enc", "b_dec")
    )


def test_each_is_what_is_trained_alone(monkeypatch):
    rows, _ = planted(2000)
    read = []
    inner = TrainingRows.batches

    def batches(self, batch):
        for one in inner(self, batch):
            read.append(1)
            yield one

    monkeypatch.setattr(TrainingRows, "batches", batches)
    saes = features.train_several(rows, d_sae=(32, 48), k=(2, 3), architecture=["topk", "batch_topk"], **OPTIONS)
    assert len(read) == 60
    for sae, (architecture, d_sae, k) in zip(saes, product(("topk", "batch_topk"), (32, 48), (2, 3)), strict=True):
        alone = features.train(rows, d_sae=d_sae, k=k, architecture=architecture, **OPTIONS)
        assert same(sae, alone)


def test_stopped_in_the_middle_all_go_on_to_the_same_weights(tmp_path, monkeypatch):
    rows, _ = planted(2000)
    whole = features.train_several(rows, d_sae=32, k=(2, 3), **OPTIONS)
    inner, seen = run_module.TrainingRun.step, []

    def step(run, x, y):
        if len(seen) == 61:  # between the two runs of one batch
            raise KeyboardInterrupt
        seen.append(1)
        return inner(run, x, y)

    monkeypatch.setattr(run_module.TrainingRun, "step", step)
    with pytest.raises(KeyboardInterrupt, match="30 of 60 steps: the same call goes on") as caught:
        features.train_several(rows, d_sae=32, k=(2, 3), folder=tmp_path, **OPTIONS)
    assert len(caught.value.result) == 2
    monkeypatch.setattr(run_module.TrainingRun, "step", inner)
    again = features.train_several(rows, d_sae=32, k=(2, 3), folder=tmp_path, **OPTIONS)
    assert all(map(same, again, whole))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["batch_topk-32-2", "batch_topk-32-3"]
    assert torch.equal(features.load(tmp_path / "batch_topk-32-3").W_dec, whole[1].W_dec)
    # one of its own goes on from there too, and one more is trained beside those that are done
    more = features.train_several(rows, d_sae=32, k=(2, 3, 4), folder=tmp_path, **OPTIONS)
    assert all(map(same, more, whole))
    assert same(more[2], features.train(rows, d_sae=32, k=4, **OPTIONS))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"k": (2, 2)}, "batch_topk-192-2: asked for twice"),
        ({"k": ()}, "k= is one or several"),
        ({"d_sae": (192, 0)}, "d_sae= is a whole number from 1"),
        ({"d_sae": (16,), "k": (2, 17)}, "cannot fire where there are d_sae=16"),
        ({"architecture": ("topk", "dense")}, "architecture="),
    ],
)
def test_what_makes_no_autoencoders_is_said(options, said):
    with pytest.raises(ValueError, match=said):
        features.train_several(planted(200)[0], **{"steps": 2, "progress": False, **options})
