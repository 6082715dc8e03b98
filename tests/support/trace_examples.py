"""As much of a trace as AttentionView asks for, of random attention."""

from __future__ import annotations

from typing import Any

import torch

from scope_widgets._provenance import Provenance
from scope_widgets.traces.attention_scoring import AttentionScoring
from scope_widgets.traces.trace import Trace

WORDS = [
    "When", " Mary", " and", " John", " went", " to", " the", " store", ",", " John", " gave", " a", " drink", " to",
]  # fmt: skip


class FakeTrace:
    """As much of a Trace as the view asks for."""

    __class__ = Trace  # type: ignore[assignment]  # it passes for one, as a mock with a spec does
    model_id = "somewhere/SmolLM2-135M"
    prompt = "When Mary and John"
    values = captured = ("attention",)
    provenance = Provenance("tiny")
    scope = None

    def __init__(self, n_layers: int = 3, n_heads: int = 4, tokens: Any = 14, seed: int = 0) -> None:
        self.n_layers, self.n_heads, self.seed = n_layers, n_heads, seed
        self.tokens = [WORDS[i % 14] for i in range(tokens)] if isinstance(tokens, int) else tokens
        self._layers: dict[int, torch.Tensor] = {}

    def attention(self, layer: int) -> torch.Tensor:
        if layer not in self._layers:
            n = len(self.tokens)
            generator = torch.Generator().manual_seed(self.seed * 100 + layer % 4)
            scores = 2 * torch.randn(self.n_heads, n, n, generator=generator)
            self._layers[layer] = scores.masked_fill(torch.ones(n, n).triu(1).bool(), -torch.inf).softmax(-1)
        return self._layers[layer]

    def attends(self, layer: int) -> bool:
        return True

    def attention_only(self) -> FakeTrace:
        return self

    def __len__(self) -> int:
        return 1

    def __getitem__(self, prompt: int) -> FakeTrace:
        return self

    @property
    def token_ids(self) -> torch.Tensor:
        return torch.tensor([self.tokens.index(token) for token in self.tokens])

    @property
    def scoring(self) -> list[AttentionScoring]:
        return [AttentionScoring(1.0)] * self.n_layers

    def fetch(self, *sites: str) -> FakeTrace:
        return self
