"""An index of latents that fire at random: whatever is said of one is chance."""

import random

import numpy as np
import torch

from scope_widgets import features
from scope_widgets.features.indexing import index as index_module
from scripts import demo_language as language


def index_of_random_latents(scope, folder, n, rates, monkeypatch, seed=0, n_texts=150):
    """Return an index of `n` latents on paragraphs, of which each token fires with a rate between two."""
    rng = random.Random(100 + seed)
    texts = [language.render(language.paragraph(rng)) for _ in range(n_texts)]
    rec = features.record(scope, texts, layers=2, folder=folder / "rec", progress=False)
    draw = np.random.default_rng(seed)
    dense = draw.random((len(rec), n), dtype=np.float32) < np.geomspace(*rates, n)
    dense = dense * (0.5 + draw.random(dense.shape, dtype=np.float32))
    rows = torch.randn(n, 128, generator=torch.Generator().manual_seed(0))
    sae = features.SAE(rows.T.contiguous(), rows, torch.zeros(n), torch.zeros(128), layer=2)
    monkeypatch.setattr(index_module, "_codes", lambda *_: features.SparseCodes.from_dense(torch.from_numpy(dense)))
    return features.index(scope, sae, rec, folder=folder / "index", progress=False)
