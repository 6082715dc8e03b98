"""Figures of sparse autoencoders that no result has: training, all latents of an index."""

import numpy as np
import pytest
import torch

from scope_widgets import features, plots


def test_training_curves_are_the_history():
    rows = torch.randn(64, 16, generator=torch.Generator().manual_seed(0))
    sae = features.train(rows, layer=0, d_sae=32, k=4, steps=3, batch=32, progress=False)
    names = [name for name in sae.history if name != "step"]
    figure = plots.training_curves(sae)
    assert len(figure.data) == len(names)
    for line, name in zip(figure.data, names, strict=True):
        np.testing.assert_array_equal(line.x, sae.history["step"])
        np.testing.assert_array_equal(line.y, sae.history[name])
    assert plots.training_curves(sae.history).data[0].y == figure.data[0].y
    with pytest.raises(ValueError, match="no history of its training"):
        plots.training_curves(features.load("demo"))


def test_an_index_draws_each_latent_that_fires():
    index = features.FeatureIndex.load("demo")
    dots = index.plot().data[0]
    alive = index.table[~index.table["dead"]]
    np.testing.assert_array_equal(dots.customdata, alive["feature"])
    np.testing.assert_array_equal(dots.x, alive["rate"])
    np.testing.assert_array_equal(dots.y, alive["max"])
