"""A trace under the names that TransformerLens has for places of a model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

#: what is recorded -> its name in a block of TransformerLens; q and k are apart, see `_names`
_PLACES = {
    "residual": "hook_resid_pre",
    "attention_out": "hook_attn_out",
    "mlp_out": "hook_mlp_out",
    "v": "attn.hook_v",
    "attention": "attn.hook_pattern",
    "z": "attn.hook_z",
}
#: short names as `cache["pattern", 0]` takes them, that are not the last word of the long one
_SHORT = {"attn": "attn.hook_pattern"}
#: settings of models whose queries and keys are turned by their positions
_ROTARY = ("rope_parameters", "rope_theta", "rotary_dim", "rotary_pct", "rotary_emb_base")


class TransformerLensCache(Mapping[str, Tensor]):
    """The tensors of a `Trace` by TransformerLens's names, as its `ActivationCache` has them: a mapping.

    `cache["blocks.0.attn.hook_pattern"]` and `cache["pattern", 0]` are the same. Tensors are those of the trace, not
    copies, with a batch axis of one before them where the trace is of one prompt (`remove_batch_dim` takes it off).
    Weights are not folded and nothing is centred: the numbers are those of TransformerLens's `TransformerBridge`, and
    of its `HookedTransformer` where that is loaded with `from_pretrained_no_processing`.

    Queries and keys are recorded after rotary embedding: `attn.hook_rot_q`, and `attn.hook_q` in models without it.

    Attributes
    ----------
    has_batch_dim : bool
        Whether tensors have a batch axis.

    Examples
    --------
    >>> cache = scope.trace("When Mary and John").to_transformer_lens_cache()
    >>> cache["blocks.3.attn.hook_pattern"].shape, cache["resid_post", -1].shape
    (torch.Size([1, 4, 5, 5]), torch.Size([1, 5, 128]))
    """

    def __init__(self, trace: Any, has_batch_dim: bool = True) -> None:
        self._trace = trace
        self.has_batch_dim = has_batch_dim
        self._where = _names(trace)

    def __getitem__(self, key: str | tuple[Any, ...]) -> Tensor:
        """Return the tensor of a place.

        Raises
        ------
        KeyError
            When there is none of this name; says which there are.
        """
        name = key if isinstance(key, str) else self._long(key)
        if name not in self._where:
            raise KeyError(
                f"{key!r} is not in this cache. It has, for layers 0 to {self._trace.n_layers - 1}: "
                f"{', '.join(sorted({re.sub(r'^blocks.[0-9]+.', '', known) for known in self._where}))}."
            )
        site, layer = self._where[name]
        value: Tensor = getattr(self._trace, site)(layer)
        return value[None] if self.has_batch_dim and not self._trace.batched else value

    def __contains__(self, key: object) -> bool:
        """Return whether there is a place of this name, long or short."""
        return (key if isinstance(key, str) else self._long(key)) in self._where

    def __iter__(self) -> Iterator[str]:
        """Yield the long names."""
        return iter(self._where)

    def __len__(self) -> int:
        """Return the number of places."""
        return len(self._where)

    def __repr__(self) -> str:
        """Say of what, without the numbers."""
        return f"TransformerLensCache({len(self)} places of {self._trace!r})"

    def remove_batch_dim(self) -> TransformerLensCache:
        """Return the same without a batch axis.

        Raises
        ------
        ValueError
            When the trace is of several prompts.
        """
        if len(self._trace) > 1:
            raise ValueError(
                f"This trace has {len(self._trace)} prompts: take one, trace[i], before its batch axis goes."
            )
        return TransformerLensCache(self._trace[0], has_batch_dim=False)

    def _long(self, key: object) -> str:
        """Return the long name of `(name, layer)`; what is no such pair comes back as text, which is no name."""
        if not isinstance(key, tuple) or len(key) not in (2, 3) or not isinstance(key[1], int):
            return repr(key)
        short, layer = str(key[0]), key[1]
        layer += self._trace.n_layers if layer < 0 else 0
        ends = (f"hook_{short}", f"attn.hook_{short}", _SHORT.get(short, short))
        names = (f"blocks.{layer}.{end}" for end in ends)
        return next((name for name in names if name in self._where), repr(key))


def _names(trace: Any) -> dict[str, tuple[str, int]]:
    """Return the long names of all that a trace has, each with the quantity and the layer that it is."""
    places = dict(_PLACES)
    if trace.scope is not None:  # nothing else knows whether queries were turned
        config = trace.scope.model.config.get_text_config(decoder=True)
        turned = "rot_" * any(getattr(config, name, None) is not None for name in _ROTARY)
        places |= {"q": f"attn.hook_{turned}q", "k": f"attn.hook_{turned}k"}
    found = {}
    for layer in range(trace.n_layers):
        for site, place in places.items():
            if _has(trace, site, layer):
                found[f"blocks.{layer}.{place}"] = (site, layer)
        if _has(trace, "residual", layer + 1):  # what leaves a block is what enters the next
            found[f"blocks.{layer}.hook_resid_post"] = ("residual", layer + 1)
    return found


def _has(trace: Any, site: str, layer: int) -> bool:
    """Return whether a trace holds a quantity of a layer; in hybrids not every layer has all."""
    if site == "attention" and site not in trace.values:
        return not trace.batched and {"q", "k"} <= set(trace.values) and trace.values["q"][layer].ndim > 1
    return site in trace.values and trace.values[site][layer].ndim > 1
