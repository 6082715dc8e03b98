"""Recording a forward: which quantities there are, where they are read, and what is stored of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from scope_widgets.models.architecture.anatomy import Anatomy, Block
from scope_widgets.models.attention.hook_attention import hooked_attention
from scope_widgets.models.execution.nnsight_model import NNsightModel
from scope_widgets.models.guards.defer_interrupt import defer_interrupt, end_if_interrupted
from scope_widgets.models.guards.restore_on_exit import putting_back, with_block
from scope_widgets.traces.trace import CROSS_SITES, TRACE_SITES


class CapturePoint(NamedTuple):
    """One quantity at one module: its input or its output."""

    name: str
    layer: int
    module: nn.Module
    side: str
    read: Callable[[Any], Tensor]


class Recorder:
    """The wanted quantities of one forward of the running thread, each `[batch, ...]`, by site and layer."""

    def __init__(self, anatomy: Anatomy, wanted: tuple[str, ...], modules: dict[str, nn.Module] | None = None) -> None:
        known = recorded_sites(anatomy)
        unknown = set(wanted) - set(known)
        if unknown:
            raise ValueError(
                f"capture= got {', '.join(sorted(map(repr, unknown)))}; the quantities known are {', '.join(known)}."
            )
        self._anatomy = anatomy
        self._wanted = frozenset(wanted)
        self._layer_of = {block.attention: layer for layer, block in enumerate(anatomy.blocks) if block.attention}
        self._cross_of = {block.cross: layer for layer, block in enumerate(anatomy.blocks) if block.cross}
        self._modules = modules or {}
        self._thread = threading.get_ident()
        self.open = True
        self.clear()

    def clear(self) -> None:
        """Forget what was recorded."""
        self.values: dict[str, dict[int, Tensor]] = {
            name: {} for name in recorded_sites(self._anatomy) if name in self._wanted
        }
        self.scoring: dict[int, dict[str, Any]] = {}
        self._masks: list[Tensor] = []
        self.modules: dict[str, Tensor] = {}

    @property
    def in_own_thread(self) -> bool:
        """Whether the running thread is the one that records."""
        return threading.get_ident() == self._thread

    @property
    def active(self) -> bool:
        """Whether what is computed now is recorded."""
        return self.open and self.in_own_thread

    def capture_points(self) -> Iterator[CapturePoint]:
        """Yield where the wanted sites outside of attention functions are, in the order of a forward."""
        for layer, block in enumerate(self._anatomy.blocks):
            if "residual" in self._wanted:
                yield CapturePoint("residual", layer, block.block, "input", reader(block))
            if "z" in self._wanted and block.gated and block.out is not None:
                yield CapturePoint("z", layer, block.out, "input", self._heads)
            if "attention_out" in self._wanted and block.attention_out is not None:
                read = reader(block, block.attention_scale)
                yield CapturePoint("attention_out", layer, block.attention_out, "output", read)
            if "cross_attention_out" in self._wanted and block.cross_out is not None:
                read = reader(block, block.cross_scale)
                yield CapturePoint("cross_attention_out", layer, block.cross_out, "output", read)
            if "mlp_out" in self._wanted and block.mlp_out is not None:
                yield CapturePoint("mlp_out", layer, block.mlp_out, "output", reader(block, block.mlp_scale))
        if "residual" in self._wanted:
            # Read where it enters, as below it: nnsight sees a block's output before hooks that change it.
            norm, last = self._anatomy.final_norm, self._anatomy.blocks[-1].block
            where = (norm, "input") if norm is not None and self._anatomy.norm_is_last else (last, "output")
            yield CapturePoint("residual", self._anatomy.n_layers, *where, unwrap)

    def _heads(self, value: Any) -> Tensor:
        whole: Tensor = unwrap(value)
        return whole.reshape(*whole.shape[:-1], self._anatomy.n_heads, -1)

    def attentions(self) -> Iterator[tuple[int, nn.Module]]:
        """Yield the layers whose attention function shows something that is wanted."""
        if self._wanted & {"q", "k", "v", "attention", "z"}:
            for layer, block in enumerate(self._anatomy.blocks):
                if block.attention is not None:
                    yield layer, block.attention

    @property
    def attention_modules(self) -> Collection[nn.Module]:
        """The modules that may compute attention."""
        return self._layer_of.keys() | self._cross_of.keys()

    def store(self, name: str, layer: int, value: Tensor) -> None:
        """Store the value of a site."""
        if self.active:
            self.values[name][layer] = value.detach()

    def attention_hook(self, name: str, attention: nn.Module, value: Tensor) -> Tensor:
        """Store what passes through the attention function, unchanged."""
        if name == "z":  # once a layer
            end_if_interrupted()
        if name == "attention" and "cross_attention" in self._wanted and attention in self._cross_of:
            self.store("cross_attention", self._cross_of[attention], value)
        if name in self._wanted and attention in self._layer_of:
            layer = self._layer_of[attention]
            if name != "z" or not self._anatomy.blocks[layer].gated:
                self.store(name, layer, value)
        return value

    def scoring_hook(self, attention: nn.Module, scoring: dict[str, Any]) -> None:
        """Store how a layer computes its attention scores."""
        if self.active and attention in self._layer_of:
            self.scoring[self._layer_of[attention]] = scoring | {"mask": one_of(self._masks, scoring["mask"])}

    @with_block
    def hooks(self) -> Iterator[None]:
        """Store the outputs of the modules that were wanted by name."""

        def storing(name: str) -> Callable[[nn.Module, Any, Any], None]:
            def store(module: nn.Module, args: Any, output: Any) -> None:
                value = unwrap(output)
                if not isinstance(value, Tensor):
                    raise ValueError(f"The output of module {name!r} is a {type(value).__name__}, not a tensor.")
                if self.active:
                    self.modules[name] = value.detach()

            return store

        with putting_back() as back:
            for name, module in self._modules.items():
                back.hook(module.register_forward_hook, storing(name))
            yield

    def check(self, n_positions: int) -> None:
        """Raise ValueError when the forward left something out, or was the continuation of a cache."""
        for name, layers in self.values.items():
            layers_of_model = range(self._anatomy.n_layers + (name == "residual"))
            missing = {layer for layer in layers_of_model if self._anatomy.has(name, layer)} - set(layers)
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
            raise ValueError(f"These modules were wanted and did not run: {', '.join(sorted(absent))}.")


def recorded_sites(anatomy: Anatomy) -> tuple[str, ...]:
    """Return the quantities of a model that a trace can record."""
    return (*TRACE_SITES, *CROSS_SITES) if anatomy.n_source else TRACE_SITES


def one_of(distinct: list[Tensor], value: Tensor) -> Tensor:
    """Return the tensor among `distinct` that equals `value`; where there is none, `value`, which is added to them."""
    value = value.detach() if value.requires_grad else value
    if any(one is value for one in distinct):
        return value
    for one in distinct:
        if one.shape == value.shape and one.dtype == value.dtype and torch.equal(one, value):
            return one
    distinct.append(value)
    return value


def unwrap(value: Any) -> Any:
    """Return the tensor of a module's input or output, which some families wrap in a tuple or a list."""
    return value[0] if isinstance(value, tuple | list) else value


def rewrap(output: Any, value: Tensor) -> Any:
    """Return `value` wrapped as a module's output is."""
    return type(output)((value, *output[1:])) if isinstance(output, tuple | list) else value


def reader(block: Block, scale: float = 1.0) -> Callable[[Any], Tensor]:
    """Return what reads an input or output of a block's module, times a scale, so that it stays as it was then."""
    if scale != 1.0:
        return lambda value: unwrap(value) * scale
    return (lambda value: unwrap(value).clone()) if block.overwrites else unwrap


def record(
    wrapped: NNsightModel, model: Any, recorder: Recorder, inputs: dict[str, Any], at: Tensor | None = None
) -> Tensor:
    """Record a run of `inputs` through an nnsight trace and return its logits `[batch, position, vocabulary]`.

    With `at` [batch] those of one position of each prompt alone.
    """
    points = [(point, wrapped.envoy(point.module)) for point in recorder.capture_points()]

    attended = iter(recorder.attentions() if wrapped.by_source else ())

    def body() -> None:
        attend_to = next(attended, None)
        for point, envoy in points:
            end_if_interrupted()
            while attend_to is not None and attend_to[0] < point.layer + (point.name != "residual"):
                wrapped.attend(attend_to[1], recorder.attention_hook, recorder.scoring_hook)
                attend_to = next(attended, None)
            recorder.store(point.name, point.layer, point.read(getattr(envoy, point.side)))
        while attend_to is not None:
            wrapped.attend(attend_to[1], recorder.attention_hook, recorder.scoring_hook)
            attend_to = next(attended, None)

    hooks = recorder.attention_hook, recorder.scoring_hook
    attention = nullcontext() if wrapped.by_source else hooked_attention(model, recorder.attention_modules, *hooks)
    with defer_interrupt(), attention, recorder.hooks():
        return wrapped.logits(inputs, body, at=at)
