"""`EncodedSource`: what the decoder of an encoder-decoder model reads beside its prompt."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from scope_widgets._types import Prompt
from scope_widgets.models.adapters import adapter_names
from scope_widgets.models.architecture.anatomy import UnsupportedModelError, has_encoder
from scope_widgets.models.architecture.rotary_types import longest_prompt
from scope_widgets.models.architecture.unembedding import agree
from scope_widgets.models.encoder_decoder.tokenizer import DecoderTokenizer
from scope_widgets.models.guards.eval_mode import evaluating
from scope_widgets.models.guards.locks import held
from scope_widgets.models.guards.restore_on_exit import recording_gradients
from scope_widgets.models.input_device import input_device
from scope_widgets.models.tokens import Tokenizer, encode, token_texts
from scope_widgets.models.weights.weight_version import weights_version

#: arguments of a decoder alone, and those of the model around it that mean the same
_OF_DECODER = {
    "input_ids": "decoder_input_ids",
    "attention_mask": "decoder_attention_mask",
    "position_ids": "decoder_position_ids",
}


class EncodedSource:
    """A source and what the encoder makes of it, which what goes on from an earlier run does not compute again.

    Parameters
    ----------
    model : torch.nn.Module
        An encoder-decoder language model.
    tokenizer
        Its tokenizer, as it writes what the encoder reads.
    source : str or token ids
        One.

    Attributes
    ----------
    token_ids : list of int
    tokens : tuple of str
        The text of each.
    text : str

    Raises
    ------
    TypeError, ValueError
        For what is no prompt, for several, for more tokens than the encoder reads, or an id that it lacks.
    """

    def __init__(self, model: Any, tokenizer: Tokenizer, source: Prompt) -> None:
        rows, texts, _ = encode(tokenizer, source, None)
        if len(rows) != 1:
            raise ValueError(f"source= is one text, or its token ids; got {len(rows)}. Make a microscope of each.")
        self._model, self._parameters = model, inspect.signature(type(model).forward).parameters
        self.token_ids, (text,) = rows[0], texts
        encoder = model.get_encoder()
        n_known = len(_embedding(encoder, model).weight)
        if wrong := [one for one in self.token_ids if not 0 <= one < n_known]:
            raise ValueError(f"Token ids of source= must be 0 to {n_known - 1}; got {wrong[0]}.")
        if len(self.token_ids) > (longest := longest_prompt(encoder.config.get_text_config(encoder=True))):
            raise ValueError(
                f"source= has {len(self.token_ids)} tokens and the encoder reads at most {longest}. Shorten it."
            )
        self.tokens = tuple(token_texts(tokenizer, self.token_ids))
        self.text = str(tokenizer.decode(self.token_ids, skip_special_tokens=True)) if text is None else text
        self._encoded: Any = None
        self._made_by: Any = None

    def inputs(self, given: Mapping[str, Any], *, anew: bool = True) -> dict[str, Any]:
        """Return the arguments of the model that say what `given` would say to its decoder alone.

        Parameters
        ----------
        given : mapping of str to value
            "input_ids" `[row, position]` and others of a causal language model. What the model does not take is left
            out.
        anew : bool, default True
            Run the encoder again, with what may have been done to it since (hooks, numbers written through `.data`).
        """
        arguments = {_OF_DECODER.get(name, name): value for name, value in given.items()}
        found, n_rows = self._of_encoder(anew), len(given["input_ids"])
        encoded = dataclasses.replace(found, last_hidden_state=found.last_hidden_state.expand(n_rows, -1, -1))
        ids = torch.tensor([self.token_ids], device=input_device(self._model))
        return {name: value for name, value in arguments.items() if name in self._parameters} | {
            "input_ids": ids.expand(n_rows, -1),  # not read any more
            "encoder_outputs": encoded,
        }

    def states(self) -> Tensor:
        """Return what the encoder makes of the source, `[1, source position, d_encoder]`; anew if weights changed."""
        states: Tensor = self._of_encoder(anew=False).last_hidden_state
        return states

    def _of_encoder(self, anew: bool) -> Any:
        with held(self._model):
            made_by = weights_version(self._model), adapter_names(self._model)
            if anew or self._encoded is None or self._made_by != made_by:
                ids = torch.tensor([self.token_ids], device=input_device(self._model))
                with recording_gradients(False), evaluating(self._model):
                    self._encoded = self._model.get_encoder()(input_ids=ids)
                self._made_by = made_by
            return self._encoded

    def of_decoder(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """Return the "input_ids" and "attention_mask" of the decoder in a call of the model that the user made.

        Raises
        ------
        ValueError
            Where the call does not say what the decoder reads, or is of another source.
        """
        if call.get("decoder_input_ids") is None:
            raise ValueError(
                "watch() records a call that says what the decoder reads: give decoder_input_ids, which begin with its "
                "start token."
            )
        if not self._is_of_this_source(call):
            raise ValueError(
                "This call is of another source than the microscope's, whose tokens the trace would show, or pads it: "
                "make a microscope of the call's with Microscope.for_model(model, tokenizer, source=...)."
            )
        return {name: call.get(asked) for name, asked in _OF_DECODER.items() if name != "position_ids"}

    def _is_of_this_source(self, call: Mapping[str, Any]) -> bool:
        ids, mask = call.get("input_ids"), call.get("attention_mask")
        if mask is not None and not bool(mask.all()):
            return False
        if (given := call.get("encoder_outputs")) is not None:
            theirs, ours = given[0], self.states()
            return theirs.shape[1:] == ours.shape[1:] and agree(ours.to(theirs).expand_as(theirs), theirs, theirs.dtype)
        return ids is not None and all(row == self.token_ids for row in ids.tolist())


def _embedding(encoder: Any, model: Any) -> Any:
    try:
        return encoder.get_input_embeddings()
    except (AttributeError, NotImplementedError):  # FSMT's encoder does not say it
        return model.get_input_embeddings()


def encoded(model: Any, tokenizer: Tokenizer, source: Prompt | None) -> EncodedSource | None:
    """Return what the encoder of a model makes of a source; None for a model without an encoder.

    Raises
    ------
    UnsupportedModelError
        For an encoder-decoder model without a source.
    ValueError
        For a source where there is no encoder, and one that `EncodedSource` does not take.
    """
    if not has_encoder(model):
        if source is not None:
            raise ValueError(f"source= is what an encoder reads, and {type(model).__name__} has none: leave it out.")
        return None
    if source is None:
        raise UnsupportedModelError(
            f"{type(model).__name__} is an encoder and a decoder, and prompts are what its decoder reads: say what its "
            "encoder reads, source='...' of Microscope.load and Microscope.for_model."
        )
    return EncodedSource(model, tokenizer, source)


def decoder_tokenizer(model: Any, tokenizer: Any) -> Any:
    """Return a tokenizer as the decoder of an encoder-decoder model reads text.

    Raises
    ------
    UnsupportedModelError
        Where the model does not say what its decoder begins with.
    """
    configs = (getattr(model, "generation_config", None), model.config)
    names = ("decoder_start_token_id", "bos_token_id")
    starts = [found for name in names for config in configs if (found := getattr(config, name, None)) is not None]
    if not starts or not isinstance(starts[0], int):
        raise UnsupportedModelError(
            f"The configuration of this {type(model).__name__} does not say what its decoder begins with: set "
            "model.config.decoder_start_token_id to that token's id."
        )
    return DecoderTokenizer(tokenizer, starts[0])


def call_inputs(source: EncodedSource | None, inputs: dict[str, Any], *, anew: bool = True) -> dict[str, Any]:
    """Return the arguments of a model that are `inputs` for its decoder, see `EncodedSource.inputs`."""
    return inputs if source is None else source.inputs(inputs, anew=anew)
