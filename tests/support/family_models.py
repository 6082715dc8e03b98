"""Tiny random models of families that are made of other kinds of parts than those of `tiny_models`."""

from __future__ import annotations

from typing import Any

import torch
import transformers as hf

from tests.support.tiny_models import GROUPED, WIDTH

_EXPERTS = {"moe_intermediate_size": 24, "num_experts": 4, "num_experts_per_tok": 2}
_LATENT = {
    "q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 4, "qk_nope_head_dim": 8, "v_head_dim": 6,
    "num_key_value_heads": 4,
}  # fmt: skip
_STATE = {"state_size": 8, "num_heads": 4, "head_dim": 16, "expand": 2, "n_groups": 1}

#: name -> (configuration, model, options)
OTHER_FAMILIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    # norms between attention or MLP and the stream
    "glm4": ("Glm4Config", "Glm4ForCausalLM", GROUPED),
    "exaone4": ("Exaone4Config", "Exaone4ForCausalLM", {**GROUPED, "sliding_window": 5}),
    # factors on what is written and on the logits
    "granite": (
        "GraniteConfig",
        "GraniteForCausalLM",
        {**GROUPED, "residual_multiplier": 0.3, "logits_scaling": 7.0, "embedding_multiplier": 3.0},
    ),
    "cohere": ("CohereConfig", "CohereForCausalLM", {**GROUPED, "logit_scale": 0.25}),
    # experts
    "mixtral": ("MixtralConfig", "MixtralForCausalLM", {**GROUPED, "num_local_experts": 4}),
    "qwen3_moe": ("Qwen3MoeConfig", "Qwen3MoeForCausalLM", {**GROUPED, **_EXPERTS}),
    # something between heads and output matrix
    "bitnet": ("BitNetConfig", "BitNetForCausalLM", GROUPED),
    "qwen3_next": (
        "Qwen3NextConfig",
        "Qwen3NextForCausalLM",
        {
            **GROUPED,
            **_EXPERTS,
            "shared_expert_intermediate_size": 24,
            "linear_num_value_heads": 4,
            "linear_num_key_heads": 2,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
            "layer_types": ["linear_attention", "full_attention", "linear_attention"],
        },
    ),
    # latent attention
    "deepseek_v3": (
        "DeepseekV3Config",
        "DeepseekV3ForCausalLM",
        {
            **WIDTH,
            **_LATENT,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "n_group": 1,
            "topk_group": 1,
            "moe_intermediate_size": 24,
            "first_k_dense_replace": 1,
        },
    ),
    # no attention, or not everywhere
    "mamba": ("MambaConfig", "MambaForCausalLM", {**WIDTH, "state_size": 8, "time_step_rank": 4}),
    "lfm2": (
        "Lfm2Config",
        "Lfm2ForCausalLM",
        {**GROUPED, "layer_types": ["conv", "full_attention", "conv"], "block_multiple_of": 16},
    ),
    "recurrent_gemma": (
        "RecurrentGemmaConfig",
        "RecurrentGemmaForCausalLM",
        {**GROUPED, "lru_width": 32, "attention_window_size": 5},
    ),
    # a final norm that runs on the embeddings too
    "nanochat": ("NanoChatConfig", "NanoChatForCausalLM", GROUPED),
    # a norm after each sum
    "bert": ("BertConfig", "BertLMHeadModel", {**WIDTH, "is_decoder": True}),
    "post_norm_opt": (
        "OPTConfig",
        "OPTForCausalLM",
        {
            **{k: v for k, v in WIDTH.items() if k != "intermediate_size"},
            "ffn_dim": 48,
            "word_embed_proj_dim": 32,
            "do_layer_norm_before": False,
        },
    ),
    # a sum without a norm after it, its parts in modules of their own
    "roberta_prelayernorm": (
        "RobertaPreLayerNormConfig",
        "RobertaPreLayerNormForCausalLM",
        {**WIDTH, "is_decoder": True, "max_position_embeddings": 66},
    ),
}


def family_model(name: str, dtype: torch.dtype = torch.float32, seed: int = 0) -> Any:
    """Make a random model of a family, its gains and biases random too."""
    config, model_class, options = OTHER_FAMILIES[name]
    torch.manual_seed(seed)
    model = getattr(hf, model_class)._from_config(getattr(hf, config)(**options)).float().eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.ndim == 2 and not any(part in key for part in ("emb", "lm_head", "A_log")):
                parameter.mul_(4.0)
            if parameter.ndim == 1 and ("norm" in key.lower() or "bias" in key):
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return model.to(dtype)
