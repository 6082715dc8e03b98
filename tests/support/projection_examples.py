"""Projections with known groups, and texts that their points are tokens of."""

from __future__ import annotations

from typing import Any

import numpy as np

WORDS = [" the", " dog", " runs", " and", " Mary", " went", " to", " store", ",", " John", " gave", " a", " drink", "."]


def projected(n: int = 600, layers: int = 0, seed: int = 0) -> dict[str, Any]:
    """Return the options of a `ProjectionView` of `n` points in five groups, the last a ring around the others."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 5, n)
    middle = np.array([[0, 0], [4, 1], [-1, 4], [-4, -2], [0, 0]])[group]
    spread = rng.normal(size=(n, 2)) * np.array([1, 0.6, 0.5, 0.9, 0.3])[group, None]
    angle = rng.uniform(0, 2 * np.pi, n)
    ring = 7 * np.stack([np.cos(angle), np.sin(angle)], -1)
    places = middle + spread + np.where((group == 4)[:, None], ring, 0)
    length = 25
    samples, positions = np.arange(n) // length, np.arange(n) % length
    texts = [rng.choice(WORDS, length).tolist() for _ in range(-(-n // length))]
    kind = np.array(["noun", "verb", "function word", "name", "punctuation"])[group]
    norm = rng.lognormal(size=n)
    norm[:3] = np.nan
    layered = np.stack([_turned(places, at) for at in range(layers)]) if layers else places
    return {
        "points": layered,
        "texts": texts,
        "samples": samples,
        "positions": positions,
        "colours": {"kind": kind, "norm": norm, "effect": rng.normal(size=n), "sample": samples},
        "method": "umap",
        "kept": 0.43,
        "neighbours": 15,
    }


def _turned(places: Any, layer: int) -> Any:
    """Return places turned, mirrored, moved and grown, as the projections of layers are for no reason."""
    turn = 1.3 * layer
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.diag([1, (-1) ** layer])
    bend = np.stack([places[:, 0], places[:, 1] + 0.04 * layer * places[:, 0] ** 2], -1)
    return (1 + layer) * bend @ matrix + 10 * layer
