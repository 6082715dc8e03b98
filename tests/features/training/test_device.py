"""Nothing that training makes is left on the default device: what is told another one stays there."""

import functools

import pytest
import torch

from scope_widgets import features
from scope_widgets._kernels import _compiled
from scope_widgets.features.training.run import TrainingRun
from tests.features.training.test_processes import OPTIONS


def elsewhere(function):
    """Make what does not say its device on "meta", where it cannot be used with what does: as a GPU, without one."""

    @functools.wraps(function)
    def changed(*args, **options):
        with torch.device("meta"):
            return function(*args, **options)

    return changed


@pytest.mark.parametrize("kind", OPTIONS)
def test_all_is_made_on_the_device_of_the_rows(kind, monkeypatch, tmp_path):
    rows = torch.randn(600, 12, generator=torch.Generator().manual_seed(0))
    targets = rows[:, :10].relu() + rows[:, 2:]
    options = {**OPTIONS[kind](targets), "d_sae": 32, "k": 2, "batch": 64, "steps": 30, "progress": False}
    compiled = features.train(rows, **options)
    monkeypatch.setattr(_compiled, "autoencoder", None)  # as on a GPU: in torch alone
    for name in ("__init__", "go_on", "result", "go_on_from", "checkpoint"):
        monkeypatch.setattr(TrainingRun, name, elsewhere(getattr(TrainingRun, name)))
    sae = features.train(rows, device="cpu", folder=tmp_path, **options)
    assert elsewhere(sae.__call__)(rows).device.type == sae.W_enc.device.type == "cpu"
    torch.testing.assert_close(sae.W_dec, compiled.W_dec, rtol=1e-3, atol=1e-4)
    # what has ended is read from its checkpoint
    assert torch.equal(features.train(rows, device="cpu", folder=tmp_path, **options).W_dec, sae.W_dec)
