"""Anything as JSON has it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from scope_widgets._json_values import json_value


def test_whatever_it_is_becomes_json() -> None:
    given = {
        "numbers": (np.float32(0.5), np.int64(3), np.bool_(True), float("inf"), np.float64("nan"), 2**70),
        "arrays": [np.array([[1.0, np.nan]]), torch.tensor([1, 2]), np.array(7)],
        3: frozenset({"x"}),
        "texts": [np.str_("a"), Path("b"), None, True],
    }
    expected = {
        "numbers": [0.5, 3, True, None, None, 2**70],
        "arrays": [[[1.0, None]], [1, 2], 7],
        "3": ["x"],
        "texts": ["a", "b", None, True],
    }
    found = json_value(given)
    assert found == expected
    assert json.loads(json.dumps(found, allow_nan=False)) == expected
