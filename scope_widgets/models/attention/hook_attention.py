"""Putting the attention of a model under a hook for a while, whichever way its family computes attention."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from scope_widgets.models.attention.attention_function import (
    NAME,
    AttentionHook,
    ScoringHook,
    active_hook,
    running_hooks,
    uses_attention_interface,
)
from scope_widgets.models.attention.own_attention_code import OwnAttention
from scope_widgets.models.guards.restore_on_exit import putting_back, with_block


@with_block
def hooked_attention(
    model: Any, modules: Iterable[nn.Module], hook: AttentionHook, scoring_hook: ScoringHook | None = None
) -> Iterator[None]:
    """Route the attention of `model`, whose attention modules are given, through `hook` in this thread for a while."""
    switches = uses_attention_interface(model)
    with _switched(model, modules) if switches else _watched(modules), active_hook(hook, scoring_hook):
        yield


@with_block
def _switched(model: Any, modules: Iterable[nn.Module]) -> Iterator[None]:
    """Let the model call the attention function of this package."""
    known = _switching.get(model)
    if known is not None and not {id(vars(one).get("config", known[0])) for one in modules} <= set(map(id, known)):
        known = None  # other parts have taken the place of those that were there
    with putting_back() as back:
        configs = _configs(model) if known is None else known
        for config in configs:
            back.later(setattr, config, _IMPLEMENTATION, getattr(config, _IMPLEMENTATION))
        if known is None:
            model.set_attn_implementation(NAME)
            found = [config for config in configs if getattr(config, _IMPLEMENTATION) == NAME]
            _switching[model] = found or None
        else:
            for config in known:
                setattr(config, _IMPLEMENTATION, NAME)
        yield


#: where a configuration holds the name, without those of the configurations in it
_IMPLEMENTATION = "_attn_implementation_internal"
#: the configurations of a model that transformers lets say it: it goes through all modules to find them
_switching: weakref.WeakKeyDictionary[Any, list[Any] | None] = weakref.WeakKeyDictionary()


def _configs(model: Any) -> list[Any]:
    """Return all configurations that say which attention function is called."""
    found: dict[int, Any] = {}
    waiting = [module.config for module in model.modules() if "config" in vars(module)]  # hasattr is slow here
    while waiting:
        config = waiting.pop()
        if id(config) not in found and hasattr(config, _IMPLEMENTATION):
            found[id(config)] = config
            waiting += [getattr(config, name, None) for name in config.sub_configs]
    return list(found.values())


_watching = threading.local()


@with_block
def _watched(attentions: Iterable[nn.Module]) -> Iterator[None]:
    """Watch the forwards of attention modules that compute attention by themselves, in this thread."""
    watched: frozenset[nn.Module] = getattr(_watching, "modules", frozenset())
    # in an outer block they may be watched already
    modules = [module for module in attentions if module not in watched]
    open_ones: list[OwnAttention] = []

    def begin(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if hooks := running_hooks():
            stream = next(x for x in (*args, *kwargs.values()) if isinstance(x, Tensor))
            own = OwnAttention(module, len(stream), *hooks)
            own.__enter__()  # type: ignore[no-untyped-call]
            open_ones.append(own)

    def end(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if open_ones and open_ones[-1].module is module:
            open_ones.pop().__exit__(None, None, None)  # type: ignore[no-untyped-call]

    with putting_back() as back:
        back.later_here(_leave_modes, torch._C._len_torch_function_stack())  # where a forward is left in its middle
        for module in modules:
            back.hook(module.register_forward_pre_hook, begin, with_kwargs=True)
            back.hook(module.register_forward_hook, end, always_call=True)
        back.later_here(setattr, _watching, "modules", watched)
        _watching.modules = watched.union(modules)
        yield


def _leave_modes(before: int) -> None:
    """Leave what watches torch's functions, down to what was there before."""
    while torch._C._len_torch_function_stack() > before:
        torch._C._pop_torch_function_stack()
