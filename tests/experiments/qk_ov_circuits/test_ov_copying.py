"""What heads copy through their output matrices."""

import numpy as np
import torch

from scope_widgets import ioi
from scope_widgets.experiments.qk_ov_circuits import ov_copying as copying


def test_copying_scores_do_not_depend_on_how_many_heads_are_done_at_once(demo, monkeypatch):
    prompts = ioi.prompts(demo, n=8)
    ids = torch.unique(torch.as_tensor(prompts.io_ids))
    layers = list(range(demo.n_layers))
    whole = copying.copying_scores(demo, ids, layers)
    monkeypatch.setattr(copying, "_AT_ONCE", 1)
    np.testing.assert_array_equal(copying.copying_scores(demo, ids, layers), whole)
