"""Weights of the demo are rounded, to what the card says."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import scope_widgets
from scripts.round_weights import BITS, round_file, rounded

PACKAGE = Path(scope_widgets.__file__).parent


def test_each_weight_moves_by_what_is_said_at_most():
    weights = torch.randn(10_000, generator=torch.Generator().manual_seed(0)) * 10.0 ** torch.linspace(-20, 20, 10_000)
    found = rounded(weights)
    assert found.dtype == torch.float32
    moved = ((found - weights) / weights).abs().max()
    assert 0 < moved <= 2.0**-BITS  # 1.5e-5
    assert torch.equal(rounded(found), found)
    assert not (found.view(torch.int32) & (2 ** (24 - BITS) - 1)).any()
    assert torch.equal(rounded(torch.tensor([0.0, 1.0, -0.5])), torch.tensor([0.0, 1.0, -0.5]))


@pytest.mark.parametrize("file", ["models/demo/model.safetensors", "features/demo/sae_weights.safetensors"])
def test_the_weights_of_the_package_are(file, tmp_path):
    for name, weights in load_file(PACKAGE / file).items():
        assert torch.equal(rounded(weights), weights), name
    again = tmp_path / "weights.safetensors"
    again.write_bytes((PACKAGE / file).read_bytes())
    round_file(again)
    assert again.read_bytes() == (PACKAGE / file).read_bytes()
