"""`RemoteTrace`: a trace whose quantities stay on the server until they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from scope_widgets.models.microscope import LocalMicroscope
from scope_widgets.remote.worker.read_activations import Wanted
from scope_widgets.traces.attention_scoring import AttentionScoring
from scope_widgets.traces.not_captured import NotCapturedError
from scope_widgets.traces.trace import Trace
from scope_widgets.traces.trace_data import KeptLogits


class ReadsQuantities(Protocol):
    """What a trace needs of its microscope."""

    def read_quantities(
        self, trace: RemoteTrace, wanted: Sequence[Wanted]
    ) -> tuple[dict[Wanted, Tensor], dict[int, AttentionScoring]]:
        """Fetch quantities of a trace, and how scores are made, with one request."""

    def trace_of(
        self,
        rows: list[list[int]],
        texts: Sequence[str | None],
        several: bool,
        capture: tuple[str, ...] | None,
        logits: KeptLogits,
    ) -> RemoteTrace:
        """Return a trace of prompts, of which nothing has been fetched."""


class RemoteTrace(Trace):
    """A forward on a server: each quantity is fetched when it is first asked for, a layer at a time.

    Analyses that take it run beside the model, so that only what they find comes back. Patterns are computed here,
    from queries and keys. `fetch` gets several quantities with one request.
    """

    scope: ReadsQuantities
    _capture: tuple[str, ...] | None
    _kept: KeptLogits
    _known: dict[Wanted, Tensor]
    _scoring: dict[int, AttentionScoring]

    def __init__(
        self, sites: Sequence[str], capture: tuple[str, ...] | None, logits: KeptLogits, **fields: Any
    ) -> None:
        known: dict[Wanted, Tensor] = {}
        scoring: dict[int, AttentionScoring] = {}
        own = {"_capture": capture, "_kept": logits, "_known": known, "_scoring": scoring}
        for name, value in {**fields, **own}.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "scoring", _Layers(self.n_layers, self._scoring_of, self._all_scoring))
        object.__setattr__(self, "values", {site: self._layers(site) for site in sites})

    @property
    def keeps(self) -> KeptLogits:
        """Which logits it keeps."""
        return self._kept

    @property
    def kept_logits(self) -> Tensor | None:
        """The logits that the trace is to keep, fetched when they are first asked for."""
        if self._kept is None:
            return None
        return self._value_there(Wanted("logits" if self._kept == "all" else "last_logits", 0))

    @property
    def last_logits(self) -> Tensor:
        """The logits of the last token of each prompt, which come without the others."""
        if self._kept is None or Wanted("logits", 0) in self._known:
            return super().last_logits
        return self._value_there(Wanted("last_logits", 0))

    def fetch(self, *sites: str, layers: Sequence[int] | None = None) -> RemoteTrace:
        """Get quantities with one request; all that were captured, and all layers, where nothing is said.

        Raises
        ------
        TooLargeError
            Where more bytes would come than `scope.most_bytes`.
        """
        if "logits" in sites and self._kept != "all":
            raise NotCapturedError("This trace does not keep all logits. Trace again with logits='all'.")
        names = [site for site in sites or self.captured if site != "attention"]
        if "attention" in (sites or self.captured):
            names = list(dict.fromkeys([*names, "q", "k"]))
        wanted: list[Wanted] = []
        for site in names:
            every = range(1) if site == "logits" else range(len(self._layers(site)))
            wanted += [Wanted(site, layer) for layer in (every if layers is None else layers)]
        self._ask(wanted)
        return self

    def __getitem__(self, index: int) -> Trace:
        if not -len(self) <= index < len(self):
            return super().__getitem__(index)
        if not self.batched:
            return self
        index %= len(self)
        row = self.token_ids[index][self.mask[index]].tolist()
        return self.scope.trace_of([row], self.provenance.prompts[index : index + 1], False, self._capture, self._kept)

    def attention(self, layer: int) -> Tensor:
        """Attention patterns `[head, query, key]` of a layer, computed here from its queries and keys."""
        layer = self._layer(layer)
        self._ask([Wanted("q", layer), Wanted("k", layer)])
        q, k = self._known[Wanted("q", layer)], self._known[Wanted("k", layer)]
        if not self.batched:
            return self.scoring[layer].attention(q, k)
        found = torch.full((len(q), self.n_heads, q.shape[1], q.shape[1]), torch.nan)
        for row, length in enumerate(self.lengths):
            found[row, :, :length] = 0.0
            found[row, :, :length, :length] = self.scoring[layer].attention(q[row, :length], k[row, :length])
        return found

    def head_attention(self, layer: int, head: int) -> Tensor:
        """Return the pattern `[query, key]` of one head, of which only its queries and keys are fetched."""
        layer = self._layer(layer)
        group = self.n_heads // self.n_kv_heads
        q, k = Wanted("q", layer, head), Wanted("k", layer, head // group)
        whole = Wanted("q", layer), Wanted("k", layer)
        if all(one in self._known for one in whole):
            return self.attention(layer)[head]
        self._ask([q, k])
        return self.scoring[layer].of_head(head).attention(self._known[q], self._known[k])[0]

    def attention_only(self) -> RemoteTrace:
        """Return this trace with what attention patterns are made of, and nothing else."""
        rows = [row[keep].tolist() for row, keep in zip(self._ids(), self._masks(), strict=True)]
        return self.scope.trace_of(rows, self.provenance.prompts, self.batched, ("q", "k"), None)

    def _remade(self) -> tuple[Callable[..., Trace], tuple[Any, ...], dict[str, Any]]:
        """Return the call that makes this trace again beside the model."""
        rows = [row[keep].tolist() for row, keep in zip(self._ids(), self._masks(), strict=True)]
        options = {"capture": self._capture, "logits": self._kept}
        return LocalMicroscope.trace, (self.scope, rows if self.batched else rows[0]), options

    def _ids(self) -> Tensor:
        return self.token_ids.reshape(-1, self.mask.shape[-1])

    def _masks(self) -> Tensor:
        return self.mask.reshape(-1, self.mask.shape[-1])

    def _layers(self, site: str) -> _Layers:
        count = self.n_layers + (site == "residual")
        one = self.attention if site == "attention" else lambda layer: self._value_there(Wanted(site, layer))
        return _Layers(count, one, lambda: self.fetch(site))

    def _value_there(self, wanted: Wanted) -> Tensor:
        self._ask([wanted])
        return self._known[wanted]

    def _scoring_of(self, layer: int) -> AttentionScoring:
        if layer not in self._scoring:
            self._ask([Wanted("k", layer, 0)], again=True)
        return self._scoring[layer]

    def _all_scoring(self) -> None:
        missing = set(range(self.n_layers)) - set(self._scoring)
        self._ask([Wanted("k", layer, 0) for layer in missing], again=True)

    def _ask(self, wanted: list[Wanted], again: bool = False) -> None:
        missing = [one for one in wanted if again or one not in self._known]
        if missing:
            values, scoring = self.scope.read_quantities(self, missing)
            self._known.update(values)
            self._scoring.update(scoring)


class _Layers(Sequence[Any]):
    """One value a layer, got when it is asked for; all together where all are gone through."""

    def __init__(self, count: int, one: Callable[[int], Any], every: Callable[[], Any]) -> None:
        self._count, self._one, self._every = count, one, every

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, layer: Any) -> Any:
        if isinstance(layer, slice):
            return [self[i] for i in range(*layer.indices(self._count))]
        if not -self._count <= layer < self._count:
            raise IndexError(f"Layer {layer} is out of range: there are {self._count}.")
        return self._one(layer % self._count)

    def __iter__(self) -> Iterator[Any]:
        self._every()
        return (self._one(layer) for layer in range(self._count))
