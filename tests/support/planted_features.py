"""How well the directions that were found are those that were planted."""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def mean_max_cosine(found: Tensor, true: Tensor) -> float:
    """Return the mean over true features `[feature, d]` of the largest cosine with a row of `found` `[latent, d]`."""
    found, true = (torch.nn.functional.normalize(one.double(), dim=1) for one in (found, true))
    return float((true @ found.T).amax(1).mean())


def matched_cosine(found: Tensor, true: Tensor) -> float:
    """Return the mean cosine over pairs of true features and rows of `found`, each row in one pair (Hungarian)."""
    found, true = (torch.nn.functional.normalize(one.double(), dim=1) for one in (found, true))
    cosines = (true @ found.T).numpy()
    rows, columns = linear_sum_assignment(-cosines)
    return float(cosines[rows, columns].mean())
