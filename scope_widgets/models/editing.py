"""Running a model with changes inside: a forward from its beginning, or on from the middle of an earlier one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from scope_widgets.models import attention
from scope_widgets.models.anatomy import Anatomy, UnsupportedModelError
from scope_widgets.models.attention import probing, shows_attention
from scope_widgets.models.capture import first
from scope_widgets.models.unbroken import unbroken
from scope_widgets.models.wrapped import Wrapped

#: (site, layer)
Place = tuple[str, int]
#: what each place's value becomes; a function that returns its argument only looks
Edits = Mapping[Place, Callable[[Tensor], Tensor]]

#: quantities that can be edited, as a trace arranges them; "scores" are what the softmax gets, the mask added;
#: "neurons" are what the MLP's last matrix gets, [batch, position, neuron]
SITES = ("residual", *attention.SITES, "attention_out", "neurons", "mlp_out")


class Editor:
    """Applies edits to the forward of the running thread.

    A subclass that goes on from an earlier run says where it begins and what the attention of its positions looks back
    to, see `models/run.py`.
    """

    start = 0
    #: the block after which the forward ends, `n_layers`: before the final norm; None: it goes on to the logits
    end: int | None = None

    def __init__(self, wrapped: Wrapped, model: Any, anatomy: Anatomy, edits: Edits) -> None:
        check(edits, anatomy)
        if model.training:
            raise ValueError("The model is in training mode, so dropout would change every run: call model.eval().")
        inside = [site for site, _ in edits if site in attention.SITES]
        if set(inside) - {"z"} and not shows_attention(model):
            raise UnsupportedModelError(
                f"{type(model).__name__} computes attention by itself, so nothing inside it can be changed from here."
            )
        self._wrapped = wrapped
        self._model = model
        self._anatomy = anatomy
        self._edits = edits
        #: the mask of each layer, when the forward is over
        self.masks: dict[int, Tensor] = {}
        self._shows_attention = shows_attention(model)
        self._layer_of = {block.attention: layer for layer, block in enumerate(anatomy.blocks)}

    def logits(self, inputs: dict[str, Any], gradients: bool = False) -> Tensor:
        """Run; gives the logits `[batch, position, vocabulary]`."""
        self._batch = inputs["input_ids"].shape
        if not self._shows_attention:
            return self._wrapped.logits(inputs, self._body, gradients=gradients)
        with unbroken(), probing(self._model, self._probe):
            return self._wrapped.logits(inputs, self._body, gradients=gradients)

    def _entering(self) -> Tensor | None:
        """Give what enters block `start` in the place of the model's own."""
        return None

    def _body(self) -> bool:
        """Touch what is to be edited outside of attention functions, in the order in which a forward reaches it.

        Gives whether the forward is to end there.
        """
        entering = self._entering()
        for layer, block in enumerate(self._anatomy.blocks):
            envoy = self._wrapped.envoy(block.block)
            if layer < self.start:
                envoy.skip(entering)
                continue
            if entering is not None and layer == self.start == 0:
                envoy.input = entering
            if edit := self._edits.get(("residual", layer)):
                envoy.input = edit(envoy.input)
            if not self._shows_attention:
                self._edit_input("z", layer, block.out, (self._anatomy.n_heads, self._anatomy.d_head))
            self._edit_output("attention_out", layer, block.attention_out)
            self._edit_input("neurons", layer, block.down, (-1,))
            self._edit_output("mlp_out", layer, block.mlp_out)
            if layer == self.end:
                _ = envoy.output  # waits until the block is computed
                return True
        last = self._anatomy.blocks[-1].block
        self._edit_output("residual", self._anatomy.n_layers, last)
        if self.end != self._anatomy.n_layers:
            return False
        if ("residual", self.end) not in self._edits:
            _ = self._wrapped.envoy(last).output  # waits until the block is computed
        return True

    def _edit_output(self, site: str, layer: int, module: nn.Module) -> None:
        if edit := self._edits.get((site, layer)):
            envoy = self._wrapped.envoy(module)
            output = envoy.output
            new = self._edited(edit, first(output), (-1,))
            envoy.output = (new, *output[1:]) if isinstance(output, tuple) else new

    def _edit_input(self, site: str, layer: int, module: nn.Module, shape: tuple[int, ...]) -> None:
        if edit := self._edits.get((site, layer)):
            envoy = self._wrapped.envoy(module)
            envoy.input = self._edited(edit, envoy.input, shape)

    def _edited(self, edit: Callable[[Tensor], Tensor], value: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Edit a value that a family may hold as one list of all prompts' positions (OPT's MLP)."""
        return edit(value.reshape(*self._batch, *shape)).reshape(value.shape)

    def _probe(self, site: str, module: nn.Module, value: Tensor) -> Tensor:
        if site == "mask":
            self.masks[self._layer_of[module]] = value
        edit = self._edits.get((site, self._layer_of[module]))
        if edit is None:
            return value
        if site in ("q", "k", "v"):
            return edit(value.transpose(1, 2)).transpose(1, 2)
        return edit(value)


def check(edits: Edits, anatomy: Anatomy) -> None:
    """Raise ValueError where a place is not one of the model."""
    for site, layer in edits:
        if site not in SITES:
            raise ValueError(f"There is no quantity {site!r} to edit; there are {', '.join(SITES)}.")
        last = anatomy.n_layers - (site != "residual")
        if not 0 <= layer <= last:
            raise ValueError(f"Layer {layer} of '{site}' is out of range: this model has 0 to {last}.")
