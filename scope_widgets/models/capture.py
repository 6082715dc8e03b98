"""Recording a forward: which quantities there are, and the two ways to read them (an nnsight trace, plain hooks)."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from scope_widgets.models.anatomy import Anatomy, UnsupportedModelError
from scope_widgets.models.attention import probing, shows_attention
from scope_widgets.models.wrapped import Wrapped
from scope_widgets.traces.trace import SITES

#: (site, layer, value) -> the value to go on with
Edit = Callable[[str, int, Tensor], Tensor]


class Site(NamedTuple):
    """One quantity at one module: its input or its output."""

    name: str
    layer: int
    module: nn.Module
    side: str
    read: Callable[[Any], Tensor]


class Recorder:
    """Collects the wanted quantities of one forward, each `[batch, ...]`, by site and layer."""

    def __init__(self, anatomy: Anatomy, wanted: tuple[str, ...], modules: dict[str, nn.Module] | None = None) -> None:
        unknown = set(wanted) - set(SITES)
        if unknown:
            raise ValueError(
                f"capture= got {', '.join(sorted(map(repr, unknown)))}; the quantities known are {', '.join(SITES)}."
            )
        self._anatomy = anatomy
        self._wanted = frozenset(wanted)
        self._layer_of = {block.attention: layer for layer, block in enumerate(anatomy.blocks)}
        self.values: dict[str, dict[int, Tensor]] = {name: {} for name in SITES if name in self._wanted}
        self.scoring: dict[int, dict[str, Any]] = {}
        self._modules = modules or {}
        self.modules: dict[str, Tensor] = {}

    @contextmanager
    def hooks(self) -> Iterator[None]:
        """Keep the outputs of the modules that were asked for by name."""

        def keeper(name: str) -> Callable[[nn.Module, Any, Any], None]:
            def keep(module: nn.Module, args: Any, output: Any) -> None:
                self.modules.setdefault(name, first(output).detach())

            return keep

        with ExitStack() as stack:
            for name, module in self._modules.items():
                stack.callback(module.register_forward_hook(keeper(name)).remove)
            yield

    def sites(self) -> Iterator[Site]:
        """Yield the wanted sites outside of attention functions, in the order in which a forward reaches them."""
        for layer, block in enumerate(self._anatomy.blocks):
            if "residual" in self._wanted:
                yield Site("residual", layer, block.block, "input", first)
            yield from self._own_attention(layer, block.attention)
            if "attention_out" in self._wanted:
                yield Site("attention_out", layer, block.attention_out, "output", first)
            if "mlp_out" in self._wanted:
                yield Site("mlp_out", layer, block.mlp_out, "output", first)
        if "residual" in self._wanted:
            # What enters the final norm; not read there because OPT-350m has none.
            yield Site("residual", self._anatomy.n_layers, self._anatomy.blocks[-1].block, "output", first)

    def _own_attention(self, layer: int, attention: nn.Module) -> Iterator[Site]:
        """Yield the sites of a family that computes attention without transformers' interface (GPT-Neo)."""
        config: Any = getattr(attention, "config", None)
        if getattr(config, "model_type", None) != "gpt_neo":
            return

        def heads(x: Tensor) -> Tensor:
            return x.reshape(*x.shape[:-1], self._anatomy.n_heads, -1)

        for name, projection in (("q", "q_proj"), ("k", "k_proj"), ("v", "v_proj")):
            if name in self._wanted:
                module = attention.get_submodule(projection)
                yield Site(name, layer, module, "output", lambda x: heads(x).transpose(1, 2))
        if "z" in self._wanted:
            module = attention.get_submodule("out_proj")
            yield Site("z", layer, module, "input", lambda x: heads(first(x)))
        if "attention" in self._wanted:
            yield Site("attention", layer, attention, "output", lambda x: x[1])
        local = config.attention_layers[layer] == "local"
        window = config.window_size if local else None
        self.scoring[layer] = {"scaling": 1.0, "softcap": None, "window": window}

    def keep(self, name: str, layer: int, value: Tensor) -> None:
        """Keep the value of a site; the first forward counts (`watch` over a generation sees many)."""
        self.values[name].setdefault(layer, value.detach())

    def probe(self, name: str, attention: nn.Module, value: Tensor) -> Tensor:
        """Keep what passes through the attention function."""
        if name in self._wanted:
            self.keep(name, self._layer_of[attention], value)
        return value

    def spec(self, attention: nn.Module, scoring: dict[str, Any]) -> None:
        """Keep how a layer makes its scores."""
        self.scoring.setdefault(self._layer_of[attention], scoring)


def first(value: Any) -> Tensor:
    """Give the tensor of a module's input or output, which some families wrap in a tuple."""
    tensor: Tensor = value[0] if isinstance(value, tuple) else value
    return tensor


def record(wrapped: Wrapped, model: Any, recorder: Recorder, inputs: dict[str, Any]) -> Tensor:
    """Run `inputs` through an nnsight trace and record; gives the logits `[batch, position, vocabulary]`."""
    sites = [(site, wrapped.envoy(site.module)) for site in recorder.sites()]

    def body() -> None:
        for site, envoy in sites:
            recorder.keep(site.name, site.layer, site.read(getattr(envoy, site.side)))

    with probing(model, recorder.probe, recorder.spec), recorder.hooks():
        return wrapped.logits(inputs, body)


def forward(wrapped: Wrapped, model: Any, anatomy: Anatomy, inputs: dict[str, Any], edit: Edit | None) -> Tensor:
    """Run `inputs` with `edit` inside attention; gives the logits `[batch, position, vocabulary]`."""
    if edit is None:
        return wrapped.logits(inputs)
    if not shows_attention(model):
        raise UnsupportedModelError(
            f"{type(model).__name__} computes attention by itself, so nothing inside it can be changed from here."
        )
    layer_of = {block.attention: layer for layer, block in enumerate(anatomy.blocks)}
    with probing(model, lambda site, module, value: edit(site, layer_of[module], value)):
        return wrapped.logits(inputs)


@contextmanager
def recording(model: Any, recorder: Recorder, seen: Callable[[dict[str, Any], Any], None]) -> Iterator[None]:
    """Record whatever forward the user runs inside, with plain hooks; `seen` gets its inputs and its output."""

    def reader(site: Site) -> torch.utils.hooks.RemovableHandle:
        def on_input(_: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
            recorder.keep(site.name, site.layer, site.read(args or kwargs["hidden_states"]))

        def on_output(_: nn.Module, args: Any, output: Any) -> None:
            recorder.keep(site.name, site.layer, site.read(output))

        if site.side == "input":
            return site.module.register_forward_pre_hook(on_input, with_kwargs=True)
        return site.module.register_forward_hook(on_output)

    def on_model(_: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        seen({"input_ids": args[0], **kwargs} if args else kwargs, output)

    with ExitStack() as stack:
        for site in recorder.sites():
            stack.callback(reader(site).remove)
        stack.callback(model.register_forward_hook(on_model, with_kwargs=True).remove)
        stack.enter_context(recorder.hooks())
        stack.enter_context(probing(model, recorder.probe, recorder.spec))
        yield


def named(model: nn.Module, patterns: Sequence[str]) -> dict[str, nn.Module]:
    """Find modules by their names in the model, in which `*` stands for anything.

    Raises
    ------
    ValueError
        When a pattern names none; gives the names that come close.
    """
    modules = dict(model.named_modules())
    found: dict[str, nn.Module] = {}
    for pattern in (patterns,) if isinstance(patterns, str) else patterns:
        names = fnmatch.filter(modules, pattern)
        if not names:
            close = difflib.get_close_matches(pattern, modules, n=3) or list(modules)[1:4]
            raise ValueError(f"No module of the model is named {pattern!r}. Names are such as {', '.join(close)}.")
        found |= {name: modules[name] for name in names}
    return found
