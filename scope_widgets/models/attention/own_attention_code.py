"""Attention that a family computes in its own code, shown to the same hooks as the one attention function's.

While the attention module's forward runs, torch's functions are watched: scores are what a softmax gets that came of a
product of two activations, and what is multiplied with its result are the values. Nothing is known by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.attention.attention_function import AttentionHook, ScoringHook, attention, mix, weigh

_PRODUCTS = {torch.matmul, torch.bmm, torch.baddbmm, Tensor.matmul, Tensor.__matmul__, Tensor.bmm, Tensor.baddbmm}
_FUSED_WITH_SUM = {torch.baddbmm, Tensor.baddbmm}
_SOFTMAX = {functional.softmax, torch.softmax, Tensor.softmax}
#: a product so large that what is added to it does not blur what it is multiplied with
_LARGE = 4096.0
#: keys whose scores are by so much lower are not seen: the softmax gives them exactly 0
_HIDDEN = 4000.0


class _Call(NamedTuple):
    """One call of a torch function, and the tensors that it gave or changed."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: tuple[Tensor, ...]

    def again(self, known: dict[int, Tensor]) -> None:
        """Call it again where some tensors are others, `known` by the identity of the first ones; notes its results."""
        results = self.function(*_put(self.args, known), **_put(self.kwargs, known))
        if self.results:
            known.update(zip(map(id, self.results), _tensors((results,)), strict=True))


class _Product(NamedTuple):
    """A product of two activations and what became of it."""

    left: Tensor
    right: Tensor
    calls: list[_Call]

    def again(self, left: Tensor, right: Tensor, end: Tensor) -> Tensor:
        """Return what `end` is where the factors are others."""
        known = {id(self.left): left, id(self.right): right}
        for call in self.calls:
            call.again(known)
        return known[id(end)]

    def where_it_is(self, number: float, end: Tensor) -> Tensor:
        """Return what `end` is, in float32, where every entry of the product is a number."""
        first, *others = self.calls
        product = torch.full(first.results[0].shape, number, device=end.device)
        if first.function in _FUSED_WITH_SUM:
            added = first.args[0] if first.args else first.kwargs["input"]
            product = first.kwargs.get("beta", 1) * added.float() + first.kwargs.get("alpha", 1) * product
        known = {id(first.results[0]): product}
        for call in others:
            exact = call._replace(args=_in_float32(call.args, known), kwargs=_in_float32(call.kwargs, known))
            exact.again(known)
        return known[id(end)].float()


class _Scores(NamedTuple):
    """How scores are made of a product: multiplied with `scale`, and `mask` added (`-inf` where nothing is seen)."""

    scale: float
    mask: Tensor


class OwnAttention(TorchFunctionMode):
    """One forward of an attention module, whose attention is shown to hooks.

    Parameters
    ----------
    module : torch.nn.Module
    batch : int
        Rows of the batch: families may hold batch and heads in one axis.
    hook, scoring_hook : callable
        As in `models/attention/attention_function.py`.
    """

    def __init__(
        self, module: nn.Module, batch: int, hook: AttentionHook, scoring_hook: ScoringHook | None = None
    ) -> None:
        super().__init__()
        self.module = module
        self._batch, self._hook, self._scoring_hook = batch, hook, scoring_hook
        self._made_of: dict[int, _Product] = {}  # by the identity of what was made of the product
        self._weights: list[Tensor] = []  # what was made of the softmax
        self._own_weights: Tensor | None = None  # where a hook changed the number of keys

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a torch function of the module's forward."""
        kwargs = kwargs or {}
        if function in _SOFTMAX and (product := self._made_of.get(id(_first(args, kwargs)))):
            return self._softmax(product, function, args, kwargs)
        if function in _PRODUCTS and (factors := _factors(args, kwargs)):
            if any(factors[0] is one for one in self._weights):
                return self._product_with_values(factors[1], function, args, kwargs)
            result = function(*args, **kwargs)
            product = _Product(*factors, [_Call(function, args, kwargs, (result,))])
            self._made_of[id(result)] = product
            return result
        if function is functional.scaled_dot_product_attention:
            return self._fused(*args, **kwargs)
        return self._follow(function, args, kwargs)

    def _follow(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a function, and note what it makes of a product, or of the attention weights."""
        given = _tensors((args, kwargs))
        result = function(*args, **kwargs)
        made = _tensors((result,))
        if any(one is weights for one in given for weights in self._weights):
            self._weights.extend(made)
        for product in {id(one): one for x in given if (one := self._made_of.get(id(x)))}.values():
            if made or result is None:  # not a shape, a type or a truth
                product.calls.append(_Call(function, args, kwargs, made))
                self._made_of.update({id(one): product for one in made})
        return result

    def _softmax(self, product: _Product, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """Show queries, keys, mask, scores and weights, and go on with the weights."""
        scores = _first(args, kwargs)
        q, k = self._by_head(product.left), self._by_head(product.right).transpose(-1, -2)
        new_q, new_k = self._hook("q", self.module, q), self._hook("k", self.module, k)
        made = self._how_scores_are_made(product, scores)
        mask = self._hook("mask", self.module, made.mask)
        if self._scoring_hook is not None:
            scoring = {"scaling": made.scale, "softcap": None, "window": None, "mask": mask, "sinks": None}
            self._scoring_hook(self.module, scoring)
        self._made_of.clear()
        if mask is not made.mask or new_k.shape != k.shape:
            self._own_weights = weigh(self._hook, self.module, new_q, new_k, mask, made.scale)
            unused: Tensor = function(*args, **kwargs)  # of the right shape for what the module does with it
            self._weights = [unused]
            return unused
        known: dict[int, Tensor] = {}
        if new_q is not q or new_k is not k:
            left, right = new_q.reshape(product.left.shape), new_k.transpose(-1, -2).reshape(product.right.shape)
            known[id(scores)] = product.again(left, right, scores)
        own = self._by_head(known.get(id(scores), scores))
        new = self._hook("scores", self.module, own)
        if new is not own:
            known[id(scores)] = new.reshape(scores.shape)
        weights: Tensor = function(*_put(args, known), **_put(kwargs, known))
        own = self._by_head(weights)
        new = self._hook("attention", self.module, own)
        weights = weights if new is own else new.reshape(weights.shape)
        self._weights = [weights]
        return weights

    def _product_with_values(
        self, right: Tensor, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Tensor:
        """Show values and what heads read, and go on with that."""
        values = self._by_head(right)
        new = self._hook("v", self.module, values)
        if self._own_weights is not None:
            z = mix(self._own_weights.to(new.dtype), new)
            result = z.flatten(0, 1) if right.ndim == 3 else z
        else:
            known = {} if new is values else {id(right): new.reshape(right.shape)}
            result = function(*_put(args, known), **_put(kwargs, known))
        self._weights = []
        z = self._by_head(result).transpose(1, 2)
        new_z = self._hook("z", self.module, z)
        return result if new_z is z else new_z.transpose(1, 2).reshape(result.shape)

    def _fused(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """Compute what torch's fused attention does."""
        if attn_mask is None:
            ones = torch.ones(1, 1, query.shape[2], key.shape[2], dtype=torch.bool, device=query.device)
            attn_mask = ones.tril() if is_causal else ones
        z, _ = attention(self.module, query, key, value, attn_mask, scale, dropout_p)
        return z.transpose(1, 2)

    def _by_head(self, value: Tensor) -> Tensor:
        """Return `value` with axes [batch, head, ...]."""
        return value.reshape(self._batch, -1, *value.shape[1:]) if value.ndim == 3 else value

    @torch.no_grad()
    def _how_scores_are_made(self, product: _Product, scores: Tensor) -> _Scores:
        """Measure what scores are multiplied with and what is added to them, by products that are known."""
        added, large, negative = (self._by_head(product.where_it_is(x, scores)) for x in (0.0, _LARGE, -_LARGE / 4))
        # A mask may be the least number of float16 over sqrt(d_head): nothing else is so far below a row's best.
        seen = (large != added) & (added > added.amax(-1, keepdim=True) - _HIDDEN)
        slopes = torch.where(seen, large - added, 0.0)
        steepest = slopes.max()
        straight = slopes + 4 * torch.where(seen, negative - added, 0.0)
        uneven = torch.where(seen, slopes - steepest, 0.0)
        if max(straight.abs().max(), uneven.abs().max()) > 1e-3 * steepest:
            raise UnsupportedModelError(
                f"{type(self.module).__name__} makes scores of queries and keys in a way that this package does not "
                "know: not by one scale, and something added."
            )
        return _Scores(float(steepest) / _LARGE, _smallest(added.masked_fill(~seen, -torch.inf)))


def _smallest(mask: Tensor) -> Tensor:
    """Return a mask without the axes, batch and head, along which it is the same."""
    for axis in (0, 1):
        first = mask.narrow(axis, 0, 1)
        if bool((mask == first).all()):
            mask = first
    return mask.clone()


def _first(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[0] if args else kwargs.get("input")


def _factors(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Tensor, Tensor] | None:
    """Return the factors of a product of activations; None where one is a matrix of weights."""
    left, right = _tensors((args, kwargs))[-2:]
    return (left, right) if min(left.ndim, right.ndim) >= 3 else None


def _tensors(values: Sequence[Any]) -> tuple[Tensor, ...]:
    """Return the tensors among values, and in tuples, lists and dicts among them."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, tuple | list):
            found.extend(_tensors(value))
        elif isinstance(value, dict):
            found.extend(_tensors(tuple(value.values())))
    return tuple(found)


def _put(value: Any, known: dict[int, Tensor]) -> Any:
    """Return `value` with other tensors in the place of those that are known by their identity."""
    if isinstance(value, Tensor):
        return known.get(id(value), value)
    if isinstance(value, tuple | list) and not isinstance(value, torch.Size):
        return type(value)(_put(one, known) for one in value)
    return {name: _put(one, known) for name, one in value.items()} if isinstance(value, dict) else value


def _in_float32(value: Any, known: dict[int, Tensor]) -> Any:
    """Return `value` with numbers of less precision, other than those that are known, in float32."""
    if isinstance(value, Tensor):
        return value.float() if value.is_floating_point() and id(value) not in known else value
    if isinstance(value, tuple | list) and not isinstance(value, torch.Size):
        return type(value)(_in_float32(one, known) for one in value)
    return {name: _in_float32(one, known) for name, one in value.items()} if isinstance(value, dict) else value
