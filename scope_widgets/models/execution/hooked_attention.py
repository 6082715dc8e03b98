"""Putting the attention of a model under a hook for a while, whichever way its family computes attention."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from scope_widgets.models.execution.attention import (
    NAME,
    AttentionHook,
    ScoringHook,
    active_hook,
    running_hooks,
    uses_attention_interface,
)
from scope_widgets.models.execution.own_attention import OwnAttention


@contextmanager
def hooked_attention(
    model: Any, modules: Iterable[nn.Module], hook: AttentionHook, scoring_hook: ScoringHook | None = None
) -> Iterator[None]:
    """Route the attention of `model`, whose attention modules are given, through `hook` in this thread for a while."""
    implementation = model.config._attn_implementation
    switches = uses_attention_interface(model)
    with ExitStack() as stack:
        if not switches:
            stack.enter_context(_watched(modules))
        stack.enter_context(active_hook(hook, scoring_hook))
        try:
            if switches:
                model.set_attn_implementation(NAME)
            yield
        finally:
            if switches:
                model.set_attn_implementation(implementation)


_watching = threading.local()


@contextmanager
def _watched(attentions: Iterable[nn.Module]) -> Iterator[None]:
    """Watch the forwards of attention modules that compute attention by themselves, in this thread."""
    watched: set[nn.Module] = _watching.__dict__.setdefault("modules", set())
    # in an outer block they may be watched already
    modules = [module for module in attentions if module not in watched]
    thread = threading.get_ident()
    open_ones: list[OwnAttention] = []

    def begin(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if threading.get_ident() == thread and (hooks := running_hooks()):
            stream = next(x for x in (*args, *kwargs.values()) if isinstance(x, Tensor))
            own = OwnAttention(module, len(stream), *hooks)
            own.__enter__()  # type: ignore[no-untyped-call]
            open_ones.append(own)

    def end(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if threading.get_ident() == thread and open_ones and open_ones[-1].module is module:
            open_ones.pop().__exit__(None, None, None)  # type: ignore[no-untyped-call]

    with ExitStack() as stack:
        for module in modules:
            stack.callback(module.register_forward_pre_hook(begin, with_kwargs=True).remove)
            stack.callback(module.register_forward_hook(end, always_call=True).remove)
        watched.update(modules)
        try:
            yield
        finally:
            watched.difference_update(modules)
            while open_ones:  # the block was left in the middle of a forward
                open_ones.pop().__exit__(None, None, None)  # type: ignore[no-untyped-call]
