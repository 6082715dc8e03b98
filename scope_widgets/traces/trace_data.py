"""`TraceData`: what a trace is made of, which is what its files hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from torch import Tensor

from scope_widgets._provenance import Provenance
from scope_widgets.traces.attention_scoring import AttentionScoring

#: which logits a trace keeps: of all positions, of each prompt's last, or none
KeptLogits: TypeAlias = Literal["all", "last"] | None


@dataclass(frozen=True, eq=False)
class TraceData:
    """Tokens, tensors and their provenance; `Trace`, which reads them, says what each is."""

    token_ids: Tensor
    tokens: list[Any]
    kept_logits: Tensor | None
    n_layers: int
    n_heads: int
    n_kv_heads: int
    provenance: Provenance
    mask: Tensor
    scoring: tuple[AttentionScoring, ...]
    values: Mapping[str, Sequence[Tensor]]
    modules: Mapping[str, Tensor] = field(default_factory=dict)
    source_tokens: tuple[str, ...] = ()
    scope: Any = field(default=None, repr=False)

    @property
    def batched(self) -> bool:
        """Whether it has a batch axis."""
        return self.token_ids.ndim == 2

    @property
    def keeps(self) -> KeptLogits:
        """Which logits it keeps: "all", those of the "last" position, or None."""
        if self.kept_logits is None:
            return None
        return "last" if self.kept_logits.ndim == self.token_ids.ndim else "all"

    @property
    def captured(self) -> tuple[str, ...]:
        """Names of the quantities that were recorded."""
        return tuple(self.values)

    @property
    def lengths(self) -> list[int]:
        """Number of tokens of each prompt."""
        return [int(row.sum()) for row in self.mask.reshape(-1, self.mask.shape[-1])]
