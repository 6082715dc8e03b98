"""Where the positions of a forward stand in their prompts, and where these end, however the model is called."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeAlias
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import Cache

from scope_widgets.models.architecture.anatomy import has_encoder
from scope_widgets.models.call_arguments import arguments, call_arguments
from scope_widgets.models.guards.restore_on_exit import putting_back, with_block
from scope_widgets.models.input_device import input_device

#: what the changes of a forward depend on: on no position, on positions, or also on where the prompt ends
Needed: TypeAlias = Literal["nothing", "positions", "ends"]


#: the argument that has what earlier forwards computed: from transformers 5.24 on, and before
CACHE_NAMES = ("cache", "past_key_values")


class PromptPositions:
    """What the calls of a model say of positions.

    `generate` is given the prompt, whose end its forwards do not show: one may take in drafts, or a part of the prompt.
    Of other calls, one without a cache is a prompt; a token that goes on from the cache of such a call was generated.

    Parameters
    ----------
    model : torch.nn.Module
    stack : torch.nn.Module
        The module that runs its blocks.
    needed : "nothing", "positions" or "ends"
        What must be known; what is not needed may be wrong.
    """

    def __init__(self, model: Any, stack: nn.Module, needed: Needed) -> None:
        self._model, self._stack, self._needed = model, stack, needed
        self._reads_source = has_encoder(model)
        # columns are positions with the padding; they are the same for all rows, in whatever order a cache has these
        self._prompt_of: WeakKeyDictionary[Cache, int] = WeakKeyDictionary()
        self._generating: int | None = None
        self._prepared: tuple[Tensor | None] | None = None
        self._prompt = 0
        #: positions up to the end of the forward at hand, padding and what is in its cache included
        self.columns = 0

    def of_forward(self, args: Any, kwargs: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """Return what is known of a forward of the stack that begins.

        Returns
        -------
        positions : Tensor of int [row, position]
            The index in its prompt of each position; padding on the left is below 0.
        lengths : Tensor of int [row]
            Tokens of each row's prompt.

        Raises
        ------
        ValueError
            Where what is needed is not known.
        """
        given = call_arguments(self._stack, args, kwargs)
        ids, mask = given.get("input_ids"), given.get("attention_mask")
        cache = next((given[name] for name in CACHE_NAMES if given.get(name) is not None), None)
        rows, width = ids.shape if ids is not None else given["inputs_embeds"].shape[:2]
        before = 0 if cache is None else int(cache.get_seq_length())
        self.columns = before + width
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            (mask,) = prepared  # for a static cache it has become one of queries and keys
            assert self._generating is not None
            self._prompt = self._generating
        else:
            self._prompt = self._prompt_of_call(cache, before, width, given.get("use_cache"))
        if mask is not None and (not isinstance(mask, Tensor) or mask.ndim != 2):
            if self._needed != "nothing":
                raise ValueError(
                    "This forward has an attention mask that is not [row, position], which does not show where its "
                    "prompts begin: give it one of that shape, or steer at all positions."
                )
            mask = None
        if mask is None:
            mask = torch.ones(rows, self.columns, device=input_device(self._model))
        seen = mask[:, : self.columns].long().to(input_device(self._model))
        positions = seen.cumsum(-1)[:, -width:] - 1
        to_come = max(0, self._prompt - self.columns)
        return positions, seen[:, : self._prompt].sum(-1) + to_come

    def end_forward(self, output: Any) -> None:
        """Remember the prompt of what the forward has left in a cache."""
        parts = output if isinstance(output, tuple) else [getattr(output, name, None) for name in CACHE_NAMES]
        for part in parts:
            if isinstance(part, Cache):
                self._prompt_of[part] = self._prompt

    def _prompt_of_call(self, cache: Cache | None, before: int, width: int, use_cache: bool | None) -> int:
        """Return the columns of the prompt of a call that `generate` did not prepare."""
        alone = self._generating is not None and cache is None and use_cache is False  # guidance without a cache
        known = None if cache is None else self._prompt_of.get(cache)
        if before == 0 and not alone:
            return width
        if self._needed == "ends" and (known is None or width > 1 or before < known):
            raise ValueError(
                "This forward goes on from an earlier one in a way that does not show where the prompt ends, which an "
                "intervention at 'last' or over a span needs. Call model.generate or scope.generate, or run the whole "
                "prompt in one forward of the block and then a token at a time, or steer at 'all' or (start, None)."
            )
        return before + width if known is None else known

    @with_block
    def followed(self) -> Iterator[None]:
        """Follow the calls of `generate` of the running thread in a `with` block."""
        thread = threading.get_ident()

        def generate(own: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != thread or self._generating is not None:  # one inside is for a draft
                return own(*args, **kwargs)
            self._generating = self._columns_of(arguments(inspect.signature(own), args, kwargs))
            try:
                return own(*args, **kwargs)
            finally:
                self._generating = self._prepared = None

        def prepare(own: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() == thread and self._generating is not None:
                mask = "decoder_attention_mask" if self._reads_source else "attention_mask"
                self._prepared = (arguments(inspect.signature(own), args, kwargs).get(mask),)
            return own(*args, **kwargs)

        def refuse(own: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            raise RuntimeError(
                "Continuous batching (generate_batch) runs in a thread of its own, which is not steered: use generate."
            )

        instead = {"generate": generate, "prepare_inputs_for_generation": prepare, "init_continuous_batching": refuse}
        with putting_back() as back:
            for name, method in instead.items():
                if own := getattr(self._model, name, None):
                    back.set(vars(self._model), name, functools.wraps(own)(functools.partial(method, own)))
            yield

    def _columns_of(self, given: Mapping[str, Any]) -> int:
        """Return how long the prompt is that `generate` is given, padding included."""
        if not self._reads_source:
            return _columns(given)
        ids = given.get("decoder_input_ids")
        if ids is None:
            return 1  # the start token
        starts = (given.get("decoder_start_token_id"), self._model.generation_config.decoder_start_token_id)
        start = next((one for one in starts if one is not None), None)
        # where no row begins with it, generate puts it before
        return int(ids.shape[1]) + (start is not None and bool((ids[:, 0] != start).all()))


def _columns(given: Mapping[str, Any]) -> int:
    """Return how long the prompt is that `generate` is given, padding included."""
    for name in ("attention_mask", "inputs_embeds", "inputs", "input_ids"):  # the mask is of what a cache holds too
        if given.get(name) is not None:
            return int(given[name].shape[1])
    return 1  # it begins with the beginning-of-sequence token
