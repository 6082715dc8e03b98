"""Models and interventions that the tests of steering share; each comes with the same as a change of plain hooks."""

import numpy as np
import torch

from scope_widgets import Microscope, steering
from tests.support.tiny_models import tiny_model, tiny_tokenizer

IDS = [1, *range(3, 12)]
OTHER = [1, 40, 7, 7, 52, 61, 8, 9]
MODELS: dict[str, Microscope] = {}


def scope_of(family):
    """One model a family, eager, so that bits can be compared."""
    if family not in MODELS:
        MODELS[family] = Microscope.for_model(tiny_model(family, "eager"), tiny_tokenizer(), family)
    return MODELS[family]


def some_direction(scope, layer, seed=0):
    draw = np.random.default_rng(seed)
    vector = draw.standard_normal(scope.d_model)
    return steering.direction(scope, layer=layer, vector=vector, positive=[IDS])


def some_pattern(n, seed=0):
    pattern = np.tril(np.random.default_rng(seed).random((n, n))) + 1e-9 * np.eye(n)
    return (pattern / pattern.sum(1, keepdims=True)).astype(np.float32)


def made(scope, kind, strength, at="all", layer=1, part=2, seed=0):
    """An intervention of ours, and the same as a change of plain hooks."""
    if kind in ("add", "project"):
        found = some_direction(scope, layer, seed)
        vector = torch.tensor(found.vector)
        if kind == "add":
            return steering.AddDirection(found, strength, at), ("add", layer, strength * found.scale * vector, at)
        return steering.ProjectOut(found, strength, at), ("project", layer, vector, strength, at)
    if kind == "scale":
        return steering.ScaleHead(layer, part, strength, at), ("scale", layer, part, strength, at)
    if kind == "clamp":
        return steering.ClampNeuron(layer, part, strength, at), ("clamp", layer, part, strength, at)
    pattern = some_pattern(7, seed)
    ours = steering.SwapAttention(layer, part, pattern, strength, at)
    return ours, ("swap", layer, part, torch.tensor(pattern), strength, at)


def mixed(scope):
    layers = scope.n_layers
    given = [
        made(scope, "add", 0.5, "last", layer=layers, seed=3),
        made(scope, "scale", 2.0, (1, 6), layer=1, part=3),
        made(scope, "clamp", 2.5, (-3, None), layer=1, part=5),
        made(scope, "add", 0.7, (2, None), layer=1, seed=1),
        made(scope, "project", 1.0, "all", layer=1, seed=2),
        made(scope, "scale", 0.0, "all", layer=2, part=0),
    ]
    given.append(made(scope, "swap", 0.5, "all", layer=1, part=3))
    given.append(made(scope, "swap", 0.8, (3, None), layer=1, part=3, seed=4))
    return given
