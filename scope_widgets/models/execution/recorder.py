"""Recording a forward: which quantities there are, where they are read, and what is kept of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from torch import Tensor, nn

from scope_widgets.models.architecture.anatomy import Anatomy
from scope_widgets.models.execution.attention import probing, uses_attention_interface
from scope_widgets.models.execution.defer_interrupt import defer_interrupt
from scope_widgets.models.execution.nnsight_model import NNsightModel
from scope_widgets.traces.trace import SITES


class Site(NamedTuple):
    """One quantity at one module: its input or its output."""

    name: str
    layer: int
    module: nn.Module
    side: str
    read: Callable[[Any], Tensor]


class Recorder:
    """Collects the wanted quantities of one forward of the running thread, each `[batch, ...]`, by site and layer."""

    def __init__(self, anatomy: Anatomy, wanted: tuple[str, ...], modules: dict[str, nn.Module] | None = None) -> None:
        unknown = set(wanted) - set(SITES)
        if unknown:
            raise ValueError(
                f"capture= got {', '.join(sorted(map(repr, unknown)))}; the quantities known are {', '.join(SITES)}."
            )
        self._anatomy = anatomy
        self._wanted = frozenset(wanted)
        self._layer_of = {block.attention: layer for layer, block in enumerate(anatomy.blocks)}
        self._modules = modules or {}
        self._thread = threading.get_ident()
        self.open = True
        self.clear()

    def clear(self) -> None:
        """Forget what was recorded."""
        self.values: dict[str, dict[int, Tensor]] = {name: {} for name in SITES if name in self._wanted}
        self.scoring: dict[int, dict[str, Any]] = {}
        self.modules: dict[str, Tensor] = {}

    @property
    def mine(self) -> bool:
        """Whether the running thread is the one that records."""
        return threading.get_ident() == self._thread

    @property
    def listening(self) -> bool:
        """Whether what is computed now is to be kept."""
        return self.open and self.mine

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
            # Read where it enters, as below it: nnsight sees a block's output before hooks that change it.
            norm, last = self._anatomy.final_norm, self._anatomy.blocks[-1].block
            where = (last, "output") if norm is None else (norm, "input")
            yield Site("residual", self._anatomy.n_layers, *where, first)

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
            yield Site("attention", layer, attention, "output", lambda x: x[1].float())
        local = config.attention_layers[layer] == "local"
        window = config.window_size if local else None
        self.scoring[layer] = {"scaling": 1.0, "softcap": None, "window": window}

    def attentions(self) -> Iterator[tuple[int, nn.Module]]:
        """Yield the layers whose attention function shows something that is wanted."""
        if self._wanted & {"q", "k", "v", "attention", "z"}:
            for layer, block in enumerate(self._anatomy.blocks):
                yield layer, block.attention

    def keep(self, name: str, layer: int, value: Tensor) -> None:
        """Keep the value of a site."""
        if self.listening:
            self.values[name][layer] = value.detach()

    def probe(self, name: str, attention: nn.Module, value: Tensor) -> Tensor:
        """Keep what passes through the attention function."""
        if name in self._wanted and attention in self._layer_of:
            self.keep(name, self._layer_of[attention], value)
        return value

    def spec(self, attention: nn.Module, scoring: dict[str, Any]) -> None:
        """Keep how a layer makes its scores."""
        if self.listening and attention in self._layer_of:
            self.scoring[self._layer_of[attention]] = scoring

    @contextmanager
    def hooks(self) -> Iterator[None]:
        """Keep the outputs of the modules that were asked for by name."""

        def keeper(name: str) -> Callable[[nn.Module, Any, Any], None]:
            def keep(module: nn.Module, args: Any, output: Any) -> None:
                value = first(output)
                if not isinstance(value, Tensor):
                    raise ValueError(f"The output of module {name!r} is a {type(value).__name__}, not a tensor.")
                if self.listening:
                    self.modules[name] = value.detach()

            return keep

        with ExitStack() as stack:
            for name, module in self._modules.items():
                stack.callback(module.register_forward_hook(keeper(name)).remove)
            yield

    def check(self, n_positions: int) -> None:
        """Raise ValueError when the forward left something out, or was the continuation of a cache."""
        for name, layers in self.values.items():
            missing = set(range(self._anatomy.n_layers + (name == "residual"))) - set(layers)
            if missing:
                which = ", ".join(map(str, sorted(missing)))
                raise ValueError(f"'{name}' of layer {which} was not computed in this forward, so there is no trace.")
        for name, axis in (("k", 2), ("attention", 3)):
            for value in self.values.get(name, {}).values():
                if value.shape[axis] != n_positions:
                    raise ValueError(
                        f"The call went on from a cache ({value.shape[axis]} keys for {n_positions} tokens). "
                        "watch() records a whole forward: call the model without past_key_values."
                    )
        absent = set(self._modules) - set(self.modules)
        if absent:
            raise ValueError(f"These modules were asked for and did not run: {', '.join(sorted(absent))}.")


def first(value: Any) -> Any:
    """Give the tensor of a module's input or output, which some families wrap in a tuple."""
    return value[0] if isinstance(value, tuple) else value


def record(wrapped: NNsightModel, model: Any, recorder: Recorder, inputs: dict[str, Any]) -> Tensor:
    """Run `inputs` through an nnsight trace and record; gives the logits `[batch, position, vocabulary]`."""
    sites = [(site, wrapped.envoy(site.module)) for site in recorder.sites()]

    attended = iter(recorder.attentions() if wrapped.by_source and uses_attention_interface(model) else ())

    def body() -> None:
        attend_to = next(attended, None)
        for site, envoy in sites:
            while attend_to is not None and attend_to[0] < site.layer + (site.name != "residual"):
                wrapped.attend(attend_to[1], recorder.probe, recorder.spec)
                attend_to = next(attended, None)
            recorder.keep(site.name, site.layer, site.read(getattr(envoy, site.side)))
        while attend_to is not None:
            wrapped.attend(attend_to[1], recorder.probe, recorder.spec)
            attend_to = next(attended, None)

    with defer_interrupt(), ExitStack() as stack:
        if not wrapped.by_source:
            stack.enter_context(probing(model, recorder.probe, recorder.spec))
        stack.enter_context(recorder.hooks())
        return wrapped.logits(inputs, body)
