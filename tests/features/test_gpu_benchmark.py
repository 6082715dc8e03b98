"""The comparison on a GPU says what it needs, and its own half runs."""

import sys

import pytest
import torch

from benchmarks import features_gpu


def test_its_own_half_runs_without_a_gpu(monkeypatch):
    monkeypatch.setenv("FEATURE_LIBRARIES", sys.executable)
    figures = features_gpu.measure(quick=True, device="cpu")
    assert all("cpu: " in one.name for one in figures)  # none, where the other libraries are not


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so():
    with pytest.raises(SystemExit, match="This measures on a GPU, and torch sees none here"):
        features_gpu.main()
