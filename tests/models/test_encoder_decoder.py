"""Encoder-decoder models, compared with the plain Hugging Face forward with `decoder_input_ids`."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers as hf

from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.models.microscope import Microscope
from tests.support.tiny_models import VOCAB, tiny_tokenizer

_SIZES: dict[str, Any] = {
    "vocab_size": VOCAB, "d_model": 32, "encoder_layers": 1, "decoder_layers": 2, "encoder_attention_heads": 2,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 40, "decoder_ffn_dim": 48, "max_position_embeddings": 64,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2,
}  # fmt: skip
_T5: dict[str, Any] = {
    "vocab_size": VOCAB, "d_model": 32, "d_kv": 6, "d_ff": 48, "num_layers": 1, "num_decoder_layers": 2, "num_heads": 4,
    "pad_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 0,
}  # fmt: skip

#: name -> configuration, model, options
FAMILIES: dict[str, tuple[type[Any], type[Any], dict[str, Any]]] = {
    "bart": (hf.BartConfig, hf.BartForConditionalGeneration, _SIZES),
    "t5": (hf.T5Config, hf.T5ForConditionalGeneration, _T5),
}


def tiny(family: str) -> Any:
    """Make a random model whose attention is far from uniform, its gains and biases random too."""
    config, kind, options = FAMILIES[family]
    torch.manual_seed(0)
    model = kind._from_config(config(**options)).float().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and not any(part in name for part in ("emb", "shared", "lm_head", "relative")):
                parameter.mul_(4.0)
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


@pytest.mark.parametrize("family", FAMILIES)
def test_without_a_source_an_encoder_decoder_model_is_refused(family):
    with pytest.raises(UnsupportedModelError, match="is an encoder and a decoder"):
        Microscope.for_model(tiny(family), tiny_tokenizer())
