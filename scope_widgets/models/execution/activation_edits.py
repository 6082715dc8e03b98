"""Running a model with changes inside: a forward from its beginning, or on from the middle of an earlier one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from scope_widgets._untrusted import opening
from scope_widgets.models.architecture.anatomy import Anatomy, Block, UnsupportedModelError
from scope_widgets.models.architecture.unembedding import n_inputs
from scope_widgets.models.attention.attention_function import ATTENTION_SITES
from scope_widgets.models.attention.hook_attention import hooked_attention
from scope_widgets.models.execution.nnsight_model import NNsightModel
from scope_widgets.models.execution.recorder import one_of, rewrap, unwrap
from scope_widgets.models.guards.defer_interrupt import defer_interrupt, end_if_interrupted

#: (site, layer): one activation of a forward, named as a trace names it
HookPoint = tuple[str, int]
#: what the value at each hook point becomes; a function that returns its argument only reads it
Edits = Mapping[HookPoint, Callable[[Tensor], Tensor]]

#: quantities that can be edited, as a trace arranges them; "scores" are what the softmax gets, the mask added;
#: "mlp_in" is what the MLP gets (often normed), "neurons" what its last matrix gets, [batch, position, neuron]
EDITABLE_SITES = ("residual", *ATTENTION_SITES, "attention_out", "mlp_in", "neurons", "mlp_out")


class Editor:
    """A forward of the running thread with edits applied to its activations.

    A subclass that goes on from an earlier run says where it begins and what its positions attend to, see
    `models/execution/cached_run.py`.
    """

    start = 0
    #: the block after which the forward ends, `n_layers`: before the final norm; None: it goes on to the logits
    end: int | None = None
    #: so many positions at the end give logits; None: all
    keep: int | None = None
    #: how many tokens the prompt of each row has, [row]; None: all have as many as there are positions
    lengths: Tensor | None = None
    #: whether an encoder runs, too
    encode = True
    #: how many values blocks give in a tuple (0: one, without a tuple), known when the forward is over where "residual"
    #: of the end is edited
    in_tuple = 0

    def __init__(self, wrapped: NNsightModel, model: Any, anatomy: Anatomy, edits: Edits) -> None:
        check_edits(edits, anatomy)
        if model.training:
            raise ValueError("The model is in training mode, so dropout would change every run: call model.eval().")
        self._wrapped = wrapped
        self._model = model
        self._anatomy = anatomy
        self._edits = edits
        #: the mask of each layer, when the forward is over
        self.masks: dict[int, Tensor] = {}
        #: what leaves block `end`, when the forward has ended there
        self.stream: Tensor | None = None
        self._distinct_masks: list[Tensor] = []
        self._attended: set[int] = set()
        self._layer_of = {block.attention: layer for layer, block in enumerate(anatomy.blocks) if block.attention}

    def logits(self, inputs: dict[str, Any], gradients: bool = False, at: Tensor | None = None) -> Tensor:
        """Run the forward and return its logits `[batch, position, vocabulary]`, or of one position each, see `at`."""
        self._batch = inputs["input_ids"].shape
        hooked = not self._wrapped.by_source
        attention = hooked_attention(self._model, self._layer_of, self._attention_hook) if hooked else nullcontext()
        with defer_interrupt(), attention:
            logits = self._wrapped.logits(
                inputs,
                self._trace_block,
                gradients=gradients,
                touched=self._accessed_modules(),
                at=at,
                lengths=self.lengths,
                encode=self.encode,
            )
        self._check_attended()
        return logits

    def _check_attended(self) -> None:
        """Raise UnsupportedModelError where there was no attention to edit."""
        end = self._anatomy.n_layers if self.end is None else self.end + 1
        for site, layer in self._edits:
            if site in ATTENTION_SITES and self.start <= layer < end and layer not in self._attended:
                kind = type(self._anatomy.blocks[layer].attention).__name__
                raise UnsupportedModelError(
                    f"'{site}' of layer {layer} cannot be changed or kept: {kind} has no attention that is seen from "
                    "here."
                )

    def _accessed_modules(self) -> Iterator[nn.Module]:
        """Yield the modules that `_trace_block` may ask for."""
        blocks = self._anatomy.blocks
        edited = {min(layer, len(blocks) - 1) for _, layer in self._edits} | {self.end, len(blocks) - 1}
        for layer, block in enumerate(blocks):
            if layer <= self.start:
                yield block.block
            if layer in edited:
                parts = (block.block, block.out, block.attention_out, block.mlp, block.down, block.mlp_out)
                yield from (part for part in parts if part is not None)

    def _block_input(self) -> Tensor | None:
        """Return what enters block `start` in place of the model's own residual stream, or None."""
        return None

    def _trace_block(self) -> bool:
        """Edit what is outside of attention functions, in the order in which a forward reaches it.

        Returns whether the forward is to end there.
        """
        entering = self._block_input()
        for layer, block in enumerate(self._anatomy.blocks):
            envoy = self._wrapped.envoy(block.block)
            if layer < self.start:
                envoy.skip((entering, *[None] * (self.in_tuple - 1)) if self.in_tuple else entering)
                continue
            if entering is not None and layer == self.start == 0:
                envoy.input = entering
            if edit := self._edits.get(("residual", layer)):
                envoy.input = kept_apart(self._anatomy, layer, edit(envoy.input))
            if self._wrapped.by_source and block.attention is not None:
                self._wrapped.attend(block.attention, self._attention_hook)
            if block.gated:
                self._edit_input("z", layer, block.out, (self._anatomy.n_heads, -1))
            narrow = self._last_position_suffices(layer)
            if narrow:
                # Nothing reads the other positions any more: they get what the last one gets, by broadcasting.
                out = self._wrapped.envoy(block.out)
                out.input = out.input[:, -1:]
            self._edit_output("attention_out", layer, block.attention_out, block.attention_scale)
            if narrow:
                mlp = self._wrapped.envoy(block.mlp)
                mlp.input = mlp.input[:, -1:]
            self._edit_input("mlp_in", layer, block.mlp, (-1,))
            self._edit_input("neurons", layer, block.down, (-1,))
            self._edit_output("mlp_out", layer, block.mlp_out, block.mlp_scale)
            if layer == self.end:
                self.stream = unwrap(envoy.output)
                return True
        last = self._anatomy.blocks[-1].block
        edited = self._edit_output("residual", self._anatomy.n_layers, last)
        if self.end != self._anatomy.n_layers:
            return False
        self.stream = unwrap(self._wrapped.envoy(last).output) if edited is None else edited
        return True

    def _last_position_suffices(self, layer: int) -> bool:
        """Whether what attention and MLP of this layer write may leave out positions whose logits nobody wants."""
        block = self._anatomy.blocks[layer]
        n_layers = self._anatomy.n_layers
        if layer < n_layers - 1 or self.end not in (None, n_layers) or self.keep != 1 or self._batch[1] == 1:
            return False
        if block.out is None or block.mlp is None:
            return False
        later = {("attention_out", layer), ("mlp_in", layer), ("neurons", layer), ("mlp_out", layer)}
        later.add(("residual", layer + 1))
        seen = later & set(self._edits)
        return not seen and block.mlp is not block.down  # OPT's MLP has all positions of all prompts in one list

    def _edit_output(self, site: str, layer: int, module: nn.Module | None, scale: float = 1.0) -> Tensor | None:
        """Edit the output of a module, and return what it became where there is an edit."""
        edit = self._edits.get((site, layer))
        if edit is None:
            return None
        assert module is not None
        envoy = self._wrapped.envoy(module)
        output = envoy.output
        if site == "residual":
            self.in_tuple = len(output) if isinstance(output, tuple | list) else 0
        new = self._edited(rescaled(edit, scale), unwrap(output), (-1,))
        envoy.output = rewrap(output, kept_apart(self._anatomy, layer, new))
        return new

    def _edit_input(self, site: str, layer: int, module: nn.Module | None, shape: tuple[int, ...]) -> None:
        if edit := self._edits.get((site, layer)):
            assert module is not None
            envoy = self._wrapped.envoy(module)
            envoy.input = self._edited(edit, envoy.input, shape)

    def _edited(self, edit: Callable[[Tensor], Tensor], value: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Return a value edited which a family may hold as one list of all prompts' positions (OPT's MLP)."""
        arranged = value.reshape(*self._batch, value.shape[-1])
        return edit(arranged if shape == (-1,) else arranged.reshape(*arranged.shape[:-1], *shape)).reshape(value.shape)

    def _attention_hook(self, site: str, module: nn.Module, value: Tensor) -> Tensor:
        if site == "z":  # once a layer
            end_if_interrupted()
        if (layer := self._layer_of.get(module)) is None:
            return value
        self._attended.add(layer)
        if site == "mask":
            self.masks[layer] = one_of(self._distinct_masks, value)
        edit = self._edits.get((site, layer))
        if edit is None or (site == "z" and self._anatomy.blocks[layer].gated):
            return value
        given = value.transpose(1, 2) if site in ("q", "k", "v") else value
        new = edit(given)
        if new is given and not torch.is_grad_enabled():  # it was only read, and is no part of a graph
            return value
        return new.transpose(1, 2) if site in ("q", "k", "v") else new


def kept_apart(anatomy: Anatomy, layer: int, value: Tensor) -> Tensor:
    """Return what a block is given in place of a value that an edit has: a copy where the block would overwrite it."""
    return value.clone() if layer < anatomy.n_layers and anatomy.blocks[layer].overwrites else value


def returning_a_value(edits: Edits) -> Edits:
    """Return edits that raise a sentence where one does not return a tensor of the shape that it got."""

    def checked(point: HookPoint, edit: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def run(value: Tensor) -> Tensor:
            shape = tuple(value.shape)
            new: Any = edit(value)
            if not isinstance(new, Tensor) or tuple(new.shape) != shape:
                what = f"a tensor of shape {tuple(new.shape)}" if isinstance(new, Tensor) else f"a {type(new).__name__}"
                raise ValueError(
                    f"The edit of {point} got a tensor of shape {shape} and returned {what}: return the new value in "
                    "that shape, also where it was changed in place."
                )
            return new

        return run

    return {point: checked(point, edit) for point, edit in edits.items()}


def _is_number(layer: Any) -> bool:
    return hasattr(layer, "__index__")


#: what edits are, as errors say it
_FORM = "Edits are functions of values by place, such as {('z', 3): function}"


def check_edits(edits: Edits, anatomy: Anatomy) -> None:
    """Raise TypeError or ValueError where edits are no functions of hook points, or a point is none of the model's."""
    if not isinstance(edits, Mapping):
        raise TypeError(f"{_FORM}; got a {type(edits).__name__}.")
    for point, edit in edits.items():
        pair: Any = point
        if not isinstance(pair, tuple) or len(pair) != 2 or not isinstance(pair[0], str) or not _is_number(pair[1]):
            raise TypeError(f"{_FORM}; got {opening(point)} in the place of (site, layer).")
        if not callable(edit):
            raise TypeError(f"{_FORM}; got a {type(edit).__name__} in the place of a function.")
        site, layer = point
        if site not in EDITABLE_SITES:
            raise ValueError(f"There is no quantity {site!r} to edit; there are {', '.join(EDITABLE_SITES)}.")
        last = anatomy.n_layers - (site != "residual")
        if not 0 <= layer <= last:
            raise ValueError(f"Layer {layer} of '{site}' is out of range: this model has 0 to {last}.")
        if site == "neurons" and anatomy.blocks[layer].mlp is not None:
            n_neurons(anatomy.blocks[layer])
        if not anatomy.has(site, layer):
            raise ValueError(anatomy.missing(site, layer))


def n_neurons(block: Block) -> int:
    """Return how many neurons the MLP of a block has.

    Raises
    ------
    UnsupportedModelError
        Where neurons are not the inputs of one matrix.
    """
    if block.down is None or not isinstance(getattr(block.down, "weight", None), Tensor):
        raise UnsupportedModelError(
            f"The MLP of this layer is a {type(block.mlp).__name__}, whose last matrix is not one but one of each "
            "expert, so there are no 'neurons' to read or change. Take what it writes, 'mlp_out', instead."
        )
    return n_inputs(block.down)


def rescaled(edit: Callable[[Tensor], Tensor], scale: float) -> Callable[[Tensor], Tensor]:
    """Return an edit of a module's output that sees it times a scale, as it is added to the residual stream."""
    return edit if scale == 1.0 else lambda value: edit(value * scale) / scale
