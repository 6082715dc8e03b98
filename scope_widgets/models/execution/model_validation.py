"""Models of families that no test covers are checked on a short prompt before anything is computed with them."""

from __future__ import annotations

from typing import Any

import torch

from scope_widgets.models.architecture.anatomy import FAMILIES, Anatomy, UnsupportedModelError
from scope_widgets.models.execution.call_recorder import recording
from scope_widgets.models.execution.recorder import Recorder
from scope_widgets.models.input_device import input_device

#: transformers' names of the families that the tests compare with the plain Hugging Face forward
TESTED = frozenset(
    "gpt2 gpt_neo gpt_neox llama qwen2 qwen3 mistral gemma2 gemma3_text olmo2 phi phi3 opt".split()  # noqa: SIM905
)


def validate(model: Any, anatomy: Anatomy) -> None:
    """Raise UnsupportedModelError where an untested model's parts do not add up on a short prompt.

    They add up when its logits under our attention function are its own, and when in each layer the residual stream and
    what attention and MLP add to it make the next layer's residual stream.
    """
    config = model.config.get_text_config()
    post_norm_opt = config.model_type == "opt" and not config.do_layer_norm_before
    if (config.model_type in TESTED and not post_norm_opt) or model.training:
        return
    ids = torch.arange(min(8, anatomy.context, anatomy.d_vocab), device=input_device(model))[None]
    recorder = Recorder(anatomy, ("residual", "attention", "attention_out", "mlp_out"))
    try:
        with torch.no_grad():
            own = model(input_ids=ids).logits
            with recording(model, recorder):
                ours = model(input_ids=ids).logits
        recorder.check(ids.shape[1])
    except UnsupportedModelError:
        raise
    except Exception as error:
        raise UnsupportedModelError(_sentence(model, f"a forward of it failed: {error}")) from error
    if not _close(own, ours):
        raise UnsupportedModelError(_sentence(model, "its logits under this package's attention function differ"))
    for layer in range(anatomy.n_layers):
        stream, attention, mlp = (recorder.values[site][layer] for site in ("residual", "attention_out", "mlp_out"))
        total = stream + attention.reshape(stream.shape) + mlp.reshape(stream.shape)
        if not _close(recorder.values["residual"][layer + 1], total):
            raise UnsupportedModelError(
                _sentence(model, f"attention and MLP do not add up to the residual stream in layer {layer}")
            )


def _close(expected: torch.Tensor, found: torch.Tensor) -> bool:
    tolerance = 1e-3 if expected.dtype == torch.float32 else 5e-2
    return bool((expected - found).abs().max() <= tolerance * expected.abs().max())


def _sentence(model: Any, what: str) -> str:
    return (
        f"{type(model).__name__} is not of a family that this package knows ({FAMILIES}), "
        f"and it cannot be read like one: {what}."
    )
