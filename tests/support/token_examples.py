"""Losses that no model made, of a text that is like one: few tokens surprise."""

from __future__ import annotations

import numpy as np

from scope_widgets._provenance import Provenance
from scope_widgets.lens import TokenLoss

_TEXT = (
    "When Mary and John went to the store , John gave a drink to Mary . \n The old harbour master counted the boats "
    "twice before he closed his book ; nothing was missing but the unmistakable smell of tar ."
)
WORDS = [word if word in ",.;\n" else f" {word}" for word in _TEXT.split(" ")]


def made_losses(n: int = 60, seed: int = 0) -> TokenLoss:
    """Make one of `n` tokens."""
    draw = np.random.default_rng(seed)
    tokens = [WORDS[at % len(WORDS)] for at in range(n)]
    loss = draw.gamma(0.7, 2.2, n)
    loss[draw.permutation(n)[: max(1, n // 200)]] += 9
    entropy = 0.6 * loss + draw.gamma(1, 1, n)
    rank = np.minimum(np.floor(np.exp(loss)), 49_000).astype(int) - 1
    expected = [WORDS[int(one)] for one in draw.integers(0, len(WORDS), n)]
    chance = draw.uniform(0.2, 0.9, n)
    for numbers in (loss, entropy, chance):
        numbers[0] = np.nan
    rank[0], expected[0] = -1, ""
    return TokenLoss(
        tokens=tokens,
        loss=loss,
        probability=np.exp(-loss),
        rank=rank,
        entropy=entropy,
        expected=expected,
        expected_probability=chance,
        provenance=Provenance("somewhere/tiny-model", prompts=("".join(tokens),)),
    )
