"""`Trace`: a recorded forward, as tokens and tensors."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from scope_widgets._result import Shown
from scope_widgets._untrusted import opening, reading
from scope_widgets.traces import trace_files as files
from scope_widgets.traces.activation_statistics import describe
from scope_widgets.traces.not_captured import NotCapturedError
from scope_widgets.traces.trace_data import TraceData
from scope_widgets.traces.trace_parts import from_parts, to_parts
from scope_widgets.traces.transformer_lens_cache import TransformerLensCache

if TYPE_CHECKING:
    import pandas as pd

    from scope_widgets.traces.token_values import TokenValues

#: every quantity that a trace can record
TRACE_SITES = ("residual", "q", "k", "v", "attention", "z", "attention_out", "mlp_out")
#: those of the cross-attention of an encoder-decoder model
CROSS_SITES = ("cross_attention", "cross_attention_out")
#: axes that are positions of the prompt, in the quantities of one prompt where it is not the first
_POSITION_AXES = {"attention": (1, 2), "cross_attention": (1,)}


@dataclass(frozen=True, eq=False)
class Trace(TraceData, Shown):
    """The quantities of one forward over one prompt or several.

    One prompt has no batch axis; several have it first, and positions behind the end of a shorter prompt are NaN.
    Layers are counted from 0, negative ones from the last block (`residual(-1)` enters the last block).

    Attributes
    ----------
    token_ids : Tensor of int [position] or [batch, position]
    tokens : list of str, or a list of such lists
        The text of each token, spaces included; never the padding.
    kept_logits : Tensor or None
        What `logits` and `last_logits` are made of: with a position axis, without one where those of the last position
        alone were kept, None where none were.
    n_layers, n_heads, n_kv_heads : int
    provenance : Provenance
    captured : tuple of str
        The quantities that were recorded.
    modules : dict of str to Tensor
        Outputs of the modules that were asked for by name, as the model gave them, padding included.
    source_tokens : tuple of str
        The text of each token that the encoder of an encoder-decoder model read; empty for any other.
    scope : Microscope or None
        Where it was recorded, for what needs the weights too; None for a trace that was read from a file.

    Examples
    --------
    >>> trace = scope.trace("When Mary and John went to the store")
    >>> trace
    Trace(demo, 9 tokens, 4 layers, residual, q, k, v, attention, z, attention_out, mlp_out)
    >>> trace.attention(2).shape  # [head, query, key]
    torch.Size([4, 9, 9])
    >>> trace.residual(0).shape  # [position, d_model]
    torch.Size([9, 128])
    """

    view: ClassVar[str] = "scope_widgets.widgets.attention_view:AttentionView"
    plotted_by: ClassVar[str] = "scope_widgets.plots.attention_patterns:attention"
    #: what `show` calls, named as a string so that this floor does not import the analyses
    shows: ClassVar[str] = "scope_widgets.lens.token_values:token_values"

    # --- what was run -----------------------------------------------------------------------------------------------

    @property
    def logits(self) -> Tensor:
        """The logits `[position, vocabulary]` or `[batch, position, vocabulary]` of all positions.

        Raises
        ------
        NotCapturedError
            When they were not kept.
        """
        if self.keeps != "all":
            kept = "no logits" if self.keeps is None else "the logits of the last position alone (last_logits)"
            raise NotCapturedError(f"This trace kept {kept}. Trace again with logits='all'.")
        assert self.kept_logits is not None
        return self.kept_logits

    @property
    def last_logits(self) -> Tensor:
        """The logits `[vocabulary]` or `[batch, vocabulary]` of the last token of each prompt.

        Raises
        ------
        NotCapturedError
            When no logits were kept.
        """
        if self.kept_logits is None:
            raise NotCapturedError("This trace kept no logits. Trace again with logits='last'.")
        if self.keeps == "last":
            return self.kept_logits
        return last_of(self.kept_logits, self.mask) if self.batched else self.kept_logits[-1]

    @property
    def model_id(self) -> str:
        """Hub id or folder name of the model."""
        return self.provenance.model

    @property
    def prompt(self) -> str:
        """The text of the prompt (of the first one, where there are several)."""
        return self.provenance.prompts[0] if self.provenance.prompts else ""

    def __len__(self) -> int:
        """Return the number of prompts."""
        return self.token_ids.shape[0] if self.batched else 1

    def __getitem__(self, index: int) -> Trace:
        """Return the trace of one prompt of several, without its padding.

        Raises
        ------
        IndexError
            When there is no such prompt.
        TypeError
            For something else than a number, such as a name of TransformerLens.
        """
        if not hasattr(index, "__index__"):
            raise TypeError(
                f"A trace is indexed by the number of a prompt; got {opening(index)}. Quantities are methods, such as "
                "trace.attention(layer); by TransformerLens's names they are in trace.to_transformer_lens_cache()."
            )
        if not -len(self) <= index < len(self):
            raise IndexError(f"This trace has {len(self)} prompts (0 to {len(self) - 1}); {index} is not one of them.")
        if not self.batched:
            return self
        index %= len(self)
        at = torch.nonzero(self.mask[index]).squeeze(-1)
        unpadded = len(at) == self.mask.shape[1]  # then nothing is copied

        def without_padding(value: Tensor, *axes: int) -> Tensor:
            value = value[index]
            for axis in () if unpadded else axes:
                value = value.index_select(axis, at.to(value.device))
            return value

        kept = self.kept_logits
        prompts = self.provenance.prompts
        return dataclasses.replace(
            self,
            token_ids=without_padding(self.token_ids, 0),
            tokens=self.tokens[index],
            kept_logits=None if kept is None else without_padding(kept, *(range(kept.ndim - 2))),
            mask=without_padding(self.mask, 0),
            values={
                site: [
                    value if value.ndim == 1 else without_padding(value, *_POSITION_AXES.get(site, (0,)))
                    for value in layers
                ]
                for site, layers in self.values.items()
            },
            modules={
                name: without_padding(value, 0) if value.shape[:2] == self.mask.shape else value
                for name, value in self.modules.items()
            },
            provenance=self.provenance.then(f"trace[{index}]", prompts=prompts[index : index + 1]),
        )

    def __repr__(self) -> str:
        """Say what was recorded, without the numbers."""
        what = f"{len(self)} prompts" if self.batched else f"{len(self.tokens)} tokens"
        return f"Trace({self.model_id}, {what}, {self.n_layers} layers, {', '.join(self.captured)})"

    # --- what was recorded ------------------------------------------------------------------------------------------

    def residual(self, layer: int) -> Tensor:
        """Return the residual stream `[position, d_model]` that enters block `layer`; `n_layers`: the final norm.

        Layer 0 is the embeddings. Hugging Face's last hidden state is `residual(n_layers)` after the final norm.
        """
        return self._value("residual", layer, self.n_layers + 1)

    def attention_out(self, layer: int) -> Tensor:
        """Return what the attention of a layer adds to the residual stream, `[position, d_model]`."""
        return self._value("attention_out", layer)

    def mlp_out(self, layer: int) -> Tensor:
        """Return what the MLP of a layer adds to the residual stream, `[position, d_model]`."""
        return self._value("mlp_out", layer)

    def q(self, layer: int) -> Tensor:
        """Return the queries `[position, head, d_head]`, after rotary embedding."""
        return self._value("q", layer)

    def k(self, layer: int) -> Tensor:
        """Return the keys `[position, kv_head, d_head]`, after rotary embedding."""
        return self._value("k", layer)

    def v(self, layer: int) -> Tensor:
        """Return the values `[position, kv_head, d_head]`."""
        return self._value("v", layer)

    def z(self, layer: int) -> Tensor:
        """Return the outputs of the heads before the output matrix, `[position, head, d_head]`."""
        return self._value("z", layer)

    def attention(self, layer: int) -> Tensor:
        """Return the attention patterns `[head, query, key]`.

        Rows sum to 1; where the layer has attention sinks (gpt-oss) to less, and `attention_sink` is the rest. Where
        patterns were not recorded they are computed from the recorded queries and keys (of several prompts: of each
        alone, `trace[i].attention(layer)`).

        Raises
        ------
        NotCapturedError
            Where neither was recorded, or not the patterns, and more goes into scores than queries, keys, windows,
            chunks and slopes.
        """
        if "attention" not in self.values and {"q", "k"} <= set(self.values) and not self.batched:
            q, k = self.q(layer), self.k(layer)  # first, for they may not be there
            return self.scoring[self._layer(layer)].attention(q, k)
        return self._value("attention", layer)

    def cross_attention(self, layer: int) -> Tensor:
        """Return what positions attend to in the source, `[head, position, source position]`, see `source_tokens`.

        Raises
        ------
        NotCapturedError
            Where it was not recorded, or the model has no encoder.
        """
        return self._value("cross_attention", layer)

    def cross_attention_out(self, layer: int) -> Tensor:
        """Return what the cross-attention of a layer adds to the residual stream, `[position, d_model]`."""
        return self._value("cross_attention_out", layer)

    def attends(self, layer: int) -> bool:
        """Return whether a layer has attention: in hybrids some mix positions in another way."""
        known = self.values.get("attention", self.values.get("q"))
        return known is None or known[self._layer(layer)].ndim > 1

    def head_attention(self, layer: int, head: int) -> Tensor:
        """Return the attention pattern `[query, key]` of one head."""
        if "attention" not in self.values and {"q", "k"} <= set(self.values) and not self.batched:
            return self.scoring[self._layer(layer)].of_head(head).attention(*self.queries_and_keys(layer, head))[0]
        return self.attention(layer)[head]

    def attention_sink(self, layer: int) -> Tensor:
        """Return how much of the attention goes to a sink, which is no token: `[head, query]`, 0 where there is none.

        It is what is missing in the rows of `attention`, so it is exact to their rounding.

        Examples
        --------
        >>> bool(scope.trace("the horse").attention_sink(0).any())
        False
        """
        rows: Tensor = self.attention(layer).double().sum(-1)
        there = self.scoring[self._layer(layer)].sinks is not None
        return (1 - rows).clamp_min(0) if there else torch.zeros_like(rows)

    def queries_and_keys(self, layer: int, head: int) -> tuple[Tensor, Tensor]:
        """Return the queries of one head and the keys that it reads, `[position, 1, d_head]` each."""
        q, k = self.q(layer), self.k(layer)
        key_head = head // (q.shape[-2] // k.shape[-2])
        return q[..., head : head + 1, :], k[..., key_head : key_head + 1, :]

    def fetch(self, *sites: str, layers: Sequence[int] | None = None) -> Trace:
        """Bring quantities into this process at once; here they are already, so this returns the trace itself."""
        return self

    def attention_only(self) -> Trace:
        """Return this trace with its patterns, and what they are made of, and nothing else."""
        kept = {site: self.values[site] for site in ("attention", "q", "k") if site in self.values}
        return dataclasses.replace(self, values=kept, modules={}, kept_logits=None)

    def token_norms(self, layer: int) -> Tensor:
        """Return the Euclidean norm of the residual stream that enters block `layer`, `[position]`."""
        norms: Tensor = torch.linalg.vector_norm(self.residual(layer).float(), dim=-1)
        return norms

    def _layer(self, layer: int, count: int | None = None) -> int:
        count = self.n_layers if count is None else count
        if not -self.n_layers <= layer < count:
            raise IndexError(f"Layer {layer} is out of range: this quantity has layers 0 to {count - 1}.")
        return layer % self.n_layers if layer < 0 else layer

    def _value(self, site: str, layer: int, count: int | None = None) -> Tensor:
        if site not in self.values:
            if site in CROSS_SITES and not self.source_tokens:
                raise NotCapturedError(
                    f"There is no '{site}': {self.model_id} has no encoder whose output its decoder attends to."
                )
            if site == "attention" and {"q", "k"} <= set(self.values):
                raise NotCapturedError(
                    "The patterns of several prompts were not stored; take one: trace[i].attention(layer)."
                )
            raise NotCapturedError(
                f"This trace did not capture '{site}', only {', '.join(self.captured) or 'logits'}. "
                f"Trace again with capture=(..., '{site}')."
            )
        value = self.values[site][self._layer(layer, count)]
        if value.ndim == 1:  # stands for what a layer does not have
            raise NotCapturedError(self._no_such(site, self._layer(layer, count)))
        return value

    def _no_such(self, site: str, layer: int) -> str:
        """Say that a layer does not have a quantity."""
        if self.scope is not None:
            return str(self.scope.anatomy.missing(site, layer))
        return f"Layer {layer} of {self.model_id} does not have '{site}': not every layer of this model does."

    # --- summaries --------------------------------------------------------------------------------------------------

    def activation_statistics(self, site: str = "residual") -> pd.DataFrame:
        """Return a table of mean, standard deviation (population), minimum, maximum and mean norm, one row a layer.

        Parameters
        ----------
        site : str, default "residual"
            Any quantity that was recorded but attention; padding is left out, the norm is over the last axis.

        Raises
        ------
        ValueError
            For attention.
        NotCapturedError
            When the quantity was not recorded.

        Examples
        --------
        >>> scope.trace("When Mary and John went to the store").activation_statistics("mlp_out").columns.tolist()
        ['layer', 'mean', 'std', 'min', 'max', 'mean_norm']
        """
        import pandas as pd

        if site in _POSITION_AXES:
            raise ValueError("Patterns have statistics of their own: use heads.score(trace).")
        if all(value.ndim == 1 for value in self.values.get(site, ())):
            self._value(site, 0)  # raises
        rows = [
            {"layer": i, **describe(value, self.mask)} for i, value in enumerate(self.values[site]) if value.ndim > 1
        ]
        return pd.DataFrame(rows)

    def show(self, *quantities: str, **options: Any) -> TokenValues:
        """Show the prompt as text, coloured by numbers of its tokens: `lens.token_values` of this trace.

        Parameters
        ----------
        *quantities : str
            "loss", "probability", "entropy", "norm"; "loss" where nothing else is asked for.
        **options
            ``layer=`` of "norm", ``neuron=(layer, neuron)``, ``head=(layer, head)`` with ``position=`` (what it attends
            to) or ``to=`` (what attends to it); several neurons or heads as a list.

        Returns
        -------
        TokenValues
            Displays as the text; ``.values``, ``.to_dataframe()``, ``.widget()`` and ``.to_html(path)`` have the rest.

        Examples
        --------
        >>> trace = scope.trace("When Mary and John went to the store")
        >>> trace.show(neuron=(3, 10)).values.shape  # [column, token]
        (1, 9)
        >>> trace.show("loss", head=[(3, 1), (3, 2)], position=5).names
        ['loss', 'attention of 3.1 from position 5', 'attention of 3.2 from position 5']
        """
        module, name = self.shows.split(":")
        found: TokenValues = getattr(importlib.import_module(module), name)(self, *quantities, **options)
        return found

    def to_circuitsvis(self, layer: int) -> Any:
        """Show the patterns of a layer with circuitsvis, for comparison or for its other views.

        circuitsvis loads its own front-end from a content delivery network.
        """
        from circuitsvis.attention import attention_patterns

        self._check_single("to_circuitsvis")
        return attention_patterns(tokens=self.tokens, attention=self.attention(layer).float().cpu())

    def to_transformer_lens_cache(self) -> TransformerLensCache:
        """Return the same tensors by TransformerLens's names, as its `ActivationCache` has them.

        Returns
        -------
        TransformerLensCache
            A mapping: `cache["blocks.0.attn.hook_pattern"]`, `cache["pattern", 0]`, of [batch, ...] as there.

        Examples
        --------
        >>> cache = scope.trace("When Mary and John").to_transformer_lens_cache()
        >>> cache["z", 2].shape  # [batch, position, head, d_head]
        torch.Size([1, 5, 4, 32])
        """
        return TransformerLensCache(self)

    def _check_single(self, what: str) -> None:
        if self.batched:
            raise ValueError(f"{what} shows one prompt and this trace has {len(self)}: choose one with trace[i].")

    # --- files ------------------------------------------------------------------------------------------------------

    def save(self, folder: str | Path) -> None:
        """Write the trace as a folder of safetensors and JSON."""
        files.write_folder(Path(folder), *to_parts(self))

    @classmethod
    def load(cls, folder: str | Path) -> Trace:
        """Return the trace of a folder that `save` wrote.

        Raises
        ------
        ValueError
            When it is not such a folder, or is damaged.
        """
        with reading(f"{folder} is not a whole trace folder, as trace.save(folder) writes it"):
            return from_parts(cls, *files.read_folder(Path(folder)))

    def to_json(self) -> str:
        """Return the trace as JSON (for short prompts: numbers become text).

        Raises
        ------
        ValueError
            When it is larger than what `from_json` reads; `save` and `to_npz` have no such limit.
        """
        return files.to_json(*to_parts(self))

    @classmethod
    def from_json(cls, text: str) -> Trace:
        """Return the trace that `to_json` wrote; raise ValueError for anything else."""
        with reading(f"This text is not a trace written by trace.to_json() (it begins {opening(text)})"):
            return from_parts(cls, *files.from_json(text))

    def to_npz(self, path: str | Path) -> None:
        """Write the trace as a NumPy archive, without pickled objects."""
        files.write_npz(Path(path), *to_parts(self))

    @classmethod
    def from_npz(cls, path: str | Path) -> Trace:
        """Return the trace that `to_npz` wrote; raise ValueError for anything else."""
        with reading(f"{path} is not a trace written by trace.to_npz()"):
            return from_parts(cls, *files.read_npz(Path(path)))


def last_of(values: Tensor, mask: Tensor) -> Tensor:
    """Return the values `[batch, ...]` at the last token of each prompt, of `[batch, position, ...]`."""
    last = mask.long().cumsum(-1).argmax(-1).to(values.device)  # the first of the largest: wherever the padding is
    return values[torch.arange(len(last), device=values.device), last]
