"""`PersistentEdits`: every forward of a model is changed while a block runs, whoever calls it, by plain hooks."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.architecture.model_parts import ModelParts
from scope_widgets.models.attention.attention_function import ATTENTION_SITES
from scope_widgets.models.attention.hook_attention import hooked_attention
from scope_widgets.models.encoder_decoder.source import call_inputs
from scope_widgets.models.execution.activation_edits import Edits, HookPoint, check_edits, kept_apart, rescaled
from scope_widgets.models.execution.prompt_positions import CACHE_NAMES, Needed, PromptPositions
from scope_widgets.models.execution.recorder import rewrap, unwrap
from scope_widgets.models.guards.defer_interrupt import defer_interrupt
from scope_widgets.models.guards.locks import changed_by_hooks
from scope_widgets.models.guards.restore_on_exit import PutBack, putting_back, recording_gradients, with_block
from scope_widgets.models.guards.uncompiled import uncompiled
from scope_widgets.models.input_device import input_device


class PersistentEdits:
    """Edits of every forward of the running thread, also of those that go on from a cache.

    Parameters
    ----------
    scope : Microscope
    hook_points : sequence of (site, layer)
        The activations that may be changed.
    edits_at : callable
        `edits_at(positions [row, position], lengths [row])` returns the edits of a forward: where in its prompt each
        position stands (padding on the left counts below 0), and how many tokens the prompt has.
    needed : "nothing", "positions" or "ends"
        What the edits depend on.
    """

    def __init__(
        self,
        scope: ModelParts,
        hook_points: Sequence[HookPoint],
        edits_at: Callable[[Tensor, Tensor], Edits],
        needed: Needed,
    ) -> None:
        check_edits(dict.fromkeys(hook_points, _unchanged), scope.anatomy)
        self._model, self._anatomy = scope.model, scope.anatomy
        self._stack = _block_stack(scope.model, self._anatomy.blocks[0].block)
        self._hook_points = dict.fromkeys(hook_points)  # several changes of one point are one edit
        self._edits_at = edits_at
        self._edits: Edits = {}
        self._to_attend: set[int] = set()  # layers whose attention is to be changed in the forward that runs
        self._rows = 1
        self._positions = PromptPositions(scope.model, self._stack, needed)
        self._layer_of = {block.attention: layer for layer, block in enumerate(self._anatomy.blocks) if block.attention}
        self._thread: int | None = None

    @with_block
    def on(self) -> Iterator[None]:
        """Change what is run in the block."""
        inside = any(site in ATTENTION_SITES for site, _ in self._hook_points)
        attention = hooked_attention(self._model, self._layer_of, self._attention_hook) if inside else nullcontext()
        with changed_by_hooks(self._model), uncompiled(), self._positions.followed(), putting_back() as back:
            self._thread = threading.get_ident()
            back.hook(self._stack.register_forward_pre_hook, self._begin, with_kwargs=True, prepend=True)
            back.hook(self._stack.register_forward_hook, self._end)
            for point in self._hook_points:
                self._hook(back, point)
            with attention:
                yield
            self._check_attended()

    def _begin(self, _: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        self._check_attended()
        positions, lengths = self._positions.of_forward(args, kwargs)
        self._rows = len(positions)
        self._edits = self._edits_at(positions, lengths)
        self._to_attend = {layer for site, layer in self._edits if site in ATTENTION_SITES}

    def _end(self, _: nn.Module, args: Any, output: Any) -> None:
        self._positions.end_forward(output)

    def _check_attended(self) -> None:
        """Raise UnsupportedModelError where the forward before had no attention to change."""
        if missed := sorted(self._to_attend):
            self._to_attend = set()
            kind = type(self._anatomy.blocks[missed[0]].attention).__name__
            raise UnsupportedModelError(
                f"What is inside the attention of layer {missed[0]} cannot be changed: {kind} has no attention that is "
                "seen from here."
            )

    def _hook(self, back: PutBack, point: HookPoint) -> None:
        site, layer = point
        block = self._anatomy.blocks[min(layer, self._anatomy.n_layers - 1)]
        if site in ATTENTION_SITES and not (site == "z" and block.gated):
            return  # goes through the hook of attention
        if site == "residual" and layer < self._anatomy.n_layers:
            read: nn.Module | None = block.block
            shape: tuple[int, ...] = (-1,)
        elif site in ("mlp_in", "neurons"):
            read, shape = block.mlp if site == "mlp_in" else block.down, (-1,)
        elif site == "z":
            read, shape = block.out, (self._anatomy.n_heads, -1)
        else:
            self._hook_output(back, point)
            return
        assert read is not None  # check_edits
        back.hook(read.register_forward_pre_hook, self._on_input(point, shape), with_kwargs=True, prepend=True)

    def _hook_output(self, back: PutBack, point: HookPoint) -> None:
        site, layer = point
        block = self._anatomy.blocks[min(layer, self._anatomy.n_layers - 1)]
        module, scale = {
            "residual": (block.block, 1.0),
            "attention_out": (block.attention_out, block.attention_scale),
            "mlp_out": (block.mlp_out, block.mlp_scale),
        }[site]
        assert module is not None
        back.hook(module.register_forward_hook, self._on_output(point, scale), prepend=True)

    def _on_input(self, point: HookPoint, shape: tuple[int, ...]) -> Any:
        def change(_: nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
            if args:
                return (self._edited(point, args[0], shape), *args[1:]), kwargs
            return args, kwargs | {"hidden_states": self._edited(point, kwargs["hidden_states"], shape)}

        return change

    def _on_output(self, point: HookPoint, scale: float) -> Any:
        def change(_: nn.Module, args: Any, output: Any) -> Any:
            new = self._edited(point, unwrap(output), (-1,), scale)
            return rewrap(output, new)

        return change

    def _edited(self, point: HookPoint, value: Tensor, shape: tuple[int, ...], scale: float = 1.0) -> Tensor:
        edit = self._edits.get(point)
        if edit is None:
            return value
        arranged = value.reshape(self._rows, -1, value.shape[-1])
        arranged = arranged if shape == (-1,) else arranged.reshape(*arranged.shape[:-1], *shape)
        new = rescaled(edit, scale)(arranged).reshape(value.shape)
        return kept_apart(self._anatomy, point[1], new)

    def _attention_hook(self, site: str, module: nn.Module, value: Tensor) -> Tensor:
        if threading.get_ident() != self._thread or (layer := self._layer_of.get(module)) is None:
            return value
        self._to_attend.discard(layer)
        edit = self._edits.get((site, layer))
        if edit is None or (site == "z" and self._anatomy.blocks[layer].gated):
            return value
        if site in ("q", "k", "v"):
            return edit(value.transpose(1, 2)).transpose(1, 2)
        if site == "z":
            return edit(value)
        there = self._positions.columns  # a static cache has room for keys that are to come
        return torch.cat([edit(value[..., :there]), value[..., there:]], -1)


def _block_stack(model: nn.Module, block: nn.Module) -> nn.Module:
    """Return the innermost module that gets token ids and runs the blocks: a caller may reach it by itself."""
    runs = [
        one
        for one in model.modules()
        if "input_ids" in inspect.signature(type(one).forward).parameters
        and any(block is part for part in one.modules())
    ]
    return runs[-1] if runs else model


def _unchanged(value: Tensor) -> Tensor:
    return value


def generate_with_edits(
    scope: ModelParts,
    rows: Sequence[Sequence[int]],
    edits: PersistentEdits,
    *,
    max_new_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
) -> Iterator[list[int]]:
    """Continue prompts of equal length, a token of each row at a time, with changes.

    The model is changed during each step only: between two it is as it was, and may be used.

    Parameters
    ----------
    rows : sequence of list of int
        The same prompt several times, where the edits differ.
    temperature : float, default 0.0
        0: the most probable token; else drawn, with the same random numbers for all rows, so that rows differ by what
        was changed alone.

    Yields
    ------
    list of int [row]
        The next token of each row.
    """
    model = scope.model
    ids, cache = torch.tensor(rows, device=input_device(model)), None
    parameters = inspect.signature(type(model).forward).parameters
    name = next((name for name in CACHE_NAMES if name in parameters), "past_key_values")
    draw = torch.Generator().manual_seed(seed)
    room = scope.anatomy.context - ids.shape[1]
    for _ in range(min(max_new_tokens, room)):
        with defer_interrupt(), recording_gradients(False), edits.on():
            inputs = {"input_ids": ids, name: cache, "use_cache": True, "logits_to_keep": 1}
            out = model(**call_inputs(scope.source, inputs, anew=cache is None))
        cache = getattr(out, name)
        scores = out.logits[:, -1].float().cpu()
        if temperature > 0:
            uniform = torch.rand(scores.shape[-1], generator=draw).clamp_min(1e-30)
            scores = scores / temperature - (-uniform.log()).log()  # Gumbel's trick
        ids = scores.argmax(-1, keepdim=True).to(ids.device)
        yield ids[:, 0].tolist()
