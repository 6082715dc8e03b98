"""How many of transformers' language model classes are right: each tiny and random, compared with its plain forward.

`python -m benchmarks.families llama glm4` says it of some. A class is `right` where all that is given is what the plain
forward gives, `partial` where something else is refused with a sentence, `refused` as a whole, `wrong` or a `crash`;
`unbuilt` where no tiny model of it runs without us either. docs/families.md is written by the whole survey.
"""

from __future__ import annotations

import copy
import multiprocessing
import os
import resource
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from benchmarks.figure import Figure
from scope_widgets import Microscope, circuits, lens, patching
from scope_widgets.models.architecture.anatomy import UnsupportedModelError
from scope_widgets.traces.not_captured import NotCapturedError
from tests.support.tiny_models import tiny_tokenizer

TITLES = {
    "right": "Right in everything that they have",
    "partial": "Right in what is given; the rest is refused with a sentence",
    "refused": "Refused with a sentence",
    "wrong": "Wrong",
    "crash": "An exception without a sentence",
    "unbuilt": "Not examined: no tiny model of the class runs by itself",
}
PAGE = Path(__file__).parents[1] / "docs" / "families.md"

VOCAB = 96
CLEAN = [5, 9, 31, 44, 5, 9, 60, 17, 23, 71, 5, 9]
CORRUPTED = [5, 9, 31, 50, 5, 9, 60, 12, 23, 71, 5, 9]
ANSWER, VERSUS = 7, 8

#: option of a configuration: its tiny value
TINY: dict[str, Any] = {
    **dict.fromkeys(("vocab_size", "vocab_size_per_layer_input"), VOCAB),
    **dict.fromkeys(("hidden_size", "n_embd", "d_model", "word_embed_proj_dim"), 32),
    **dict.fromkeys(("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "decoder_ffn_dim"), 48),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "num_layers", "n_layers", "decoder_layers"), 4),
    **dict.fromkeys(("num_attention_heads", "n_head", "num_heads", "n_heads", "decoder_attention_heads"), 4),
    **dict.fromkeys(("num_key_value_heads", "num_kv_heads"), 2),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"), 64),
    **dict.fromkeys(("head_dim", "qk_nope_head_dim", "query_pre_attn_scalar", "hidden_size_per_layer_input"), 8),
    **dict.fromkeys(("rotary_dim", "qk_rope_head_dim"), 4),
    **dict.fromkeys(("sliding_window", "attention_chunk_size"), 5),
    **{"q_lora_rank": 16, "kv_lora_rank": 16, "v_head_dim": 6, "global_head_dim": 16, "num_kv_shared_layers": 0},
    # experts
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "moe_k"), 2),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size", "expert_intermediate_size"), 24),
    **dict.fromkeys(("n_shared_experts", "n_group", "topk_group", "first_k_dense_replace", "decoder_sparse_step"), 1),
    **{"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2},
}
#: options that are left alone where their default is None: another kind of model otherwise
OPTIONAL = {"q_lora_rank", "sliding_window", "head_dim", "n_inner", "num_kv_heads"}
#: what a family needs besides
BESIDES: dict[str, dict[str, Any]] = {
    "phi": {"num_key_value_heads": 4},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]], "window_size": 5},
    "llama4_text": {"interleave_moe_layer_step": 1, "intermediate_size_mlp": 48},
    "gpt_bigcode": {"multi_query": True},
    "deepseek_v2": {"num_key_value_heads": 4},
    "deepseek_v3": {"num_key_value_heads": 4},
}


def measure(quick: bool = False) -> list[Figure]:
    """Count the verdicts, and write the page of all families."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    names = list(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
    found = survey(names[::30] if quick else names)
    if not quick:
        PAGE.write_text(page(found))
    count = {verdict: sum(kind == verdict for kind, _ in found.values()) for verdict in TITLES}
    of = f"classes of causal language models of {len(found) - count['unbuilt']} that are built tiny"
    return [
        Figure(f"{of}: right", count["right"], "", 105, "higher", count),
        Figure(f"{of}: right, or refused in part", count["right"] + count["partial"], "", 135, "higher"),
        Figure(f"{of}: wrong, or an exception without a sentence", count["wrong"] + count["crash"], "", 0, "lower"),
    ]


def survey(names: list[str]) -> dict[str, tuple[str, str]]:
    """Examine families, each in a process of its own: what one changes or needs is none of the next one's."""
    pool = multiprocessing.get_context("fork").Pool(os.cpu_count(), maxtasksperchild=1)
    with pool:
        jobs = {name: pool.apply_async(examine, (name,)) for name in names}
        found = {}
        for name, job in tqdm(jobs.items(), unit="family", disable=len(names) < 3):
            try:
                found[name] = job.get(timeout=300)
            except multiprocessing.TimeoutError:
                found[name] = "unbuilt", "300 s"
    return found


def page(found: dict[str, tuple[str, str]]) -> str:
    """Return docs/families.md: every class by its verdict."""
    import transformers

    lines = [
        "# Families",
        "",
        f"Every class of causal language models of transformers {transformers.__version__}, tiny and random, compared",
        "with its plain forward by `benchmarks/families.py`, which writes this page: logits, attention, attention from",
        "queries and keys, residual streams, direct logit attribution, patching, and the whole and the empty circuit.",
    ]
    for verdict, title in TITLES.items():
        rows = {name: text for name, (kind, text) in found.items() if kind == verdict}
        if not rows:
            continue
        lines += ["", f"## {title} ({len(rows)})", ""]
        if verdict in ("right", "unbuilt"):
            lines.append(", ".join(rows))
        else:
            lines += ["| family | what |", "|---|---|", *(f"| {name} | {_cell(text)} |" for name, text in rows.items())]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").split())


def examine(name: str) -> tuple[str, str]:
    """Return the verdict on a family, and what is said of it."""
    resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    try:
        model = tiny(name)
        reference = plain_forward(tiny(name, attention="eager"))
    except Exception as error:
        return "unbuilt", _said(error)
    try:
        scope = Microscope.for_model(model, tiny_tokenizer(), name)
    except UnsupportedModelError as error:
        return "refused", str(error)
    except Exception as error:
        return "crash", _said(error)
    verdicts = [_verdict(what, check) for what, check in checks(scope, model, reference).items()]
    kinds = [kind for kind, _ in verdicts]
    worst = next((kind for kind in ("wrong", "crash") if kind in kinds), "partial" if "refused" in kinds else "right")
    return worst, "; ".join(text for kind, text in verdicts if kind != "right")


def tiny(name: str, attention: str | None = None) -> Any:
    """Make a tiny random model of a class whose attention is far from uniform, with norms that are not the identity."""
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    spelled = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[name]
    model_class = getattr(transformers, spelled if isinstance(spelled, str) else spelled[0])
    config_class = getattr(model_class, "config_class", None) or CONFIG_MAPPING[name]
    config = _tiny_config(name, config_class)
    with torch.device("meta"):
        size = sum(p.numel() for p in model_class._from_config(copy.deepcopy(config)).parameters())
    if size > 3e7:
        raise ValueError(f"{size / 1e6:.0f} million parameters are not tiny")
    torch.manual_seed(0)
    try:
        model = model_class._from_config(config, attn_implementation=attention).float().eval()
    except ValueError:  # it has attention of one kind
        model = model_class._from_config(config).float().eval()
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            if parameter.ndim == 2 and not any(part in path for part in ("emb", "wte", "wpe", "lm_head")):
                parameter.mul_(3.0)
            elif parameter.ndim == 1 and "norm" in path:
                parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return model


def plain_forward(model: Any) -> dict[str, Any]:
    """Return logits, patterns, and the stream before each block, without this package.

    The stream is read by hooks, since some classes (Mamba, RWKV) give what comes after each block as
    `hidden_states`. The logits are those of a run that is asked for nothing else: Falcon's change when it is asked for
    patterns.
    """
    streams: list[torch.Tensor] = []
    ids = torch.tensor([CLEAN])
    handles = [block.register_forward_pre_hook(_keeper(streams), with_kwargs=True) for block in _blocks(model)]
    try:
        with torch.no_grad():
            logits = model(ids, use_cache=False).logits[0]
    finally:
        for handle in handles:
            handle.remove()
    with torch.no_grad():
        patterns = getattr(model(ids, output_attentions=True, use_cache=False), "attentions", None) or ()
    square = [pattern[0] for pattern in patterns if pattern is not None and pattern.shape[-2:] == (len(CLEAN),) * 2]
    return {"logits": logits, "patterns": square, "streams": [stream[0] for stream in streams]}


def _blocks(model: Any) -> Any:
    n = model.config.get_text_config().num_hidden_layers
    return next(part for part in model.modules() if isinstance(part, torch.nn.ModuleList) and len(part) == n)


def _stream(args: Any, kwargs: Any) -> torch.Tensor:
    found: torch.Tensor = args[0] if args else kwargs["hidden_states"]
    return found


def _keeper(kept: list[torch.Tensor]) -> Callable[..., None]:
    def keep(_: Any, args: Any, kwargs: Any) -> None:
        kept.append(_stream(args, kwargs).clone())

    return keep


def _tiny_config(name: str, config_class: Any) -> Any:
    whole = config_class()
    text = whole.get_text_config()
    options = _options(text) | BESIDES.get(name, {})
    # an option may be a property that follows from others: it is left out
    for _ in range(8):
        try:
            if type(text) is type(whole):
                return config_class(**options)
            part = next(key for key in whole.sub_configs if getattr(whole, key, None) is text)
            return config_class(**{part: type(text)(**options).to_dict()})
        except AttributeError as error:
            refused = next((key for key in options if f"'{key}'" in str(error)), None)
            if refused is None:
                raise
            del options[refused]
    raise ValueError(f"{config_class.__name__} takes no tiny options")


def _options(config: Any) -> dict[str, Any]:
    options = {}
    for key, value in TINY.items():
        try:
            default = getattr(config, key)
        except AttributeError:
            continue
        except Exception:  # properties that need other options first
            default = value
        if default is not None or key not in OPTIONAL:
            options[key] = value
    return options


def checks(scope: Any, model: Any, reference: dict[str, Any]) -> dict[str, Callable[[], float]]:
    """Return what is compared: each gives how far off it is, as a share of the size of what it should be."""
    trace: list[Any] = []
    logits, patterns, streams = (reference[what] for what in ("logits", "patterns", "streams"))
    difference = float(logits[-1, ANSWER] - logits[-1, VERSUS])

    def traced() -> Any:
        if not trace:
            trace.append(scope.trace(CLEAN))
        return trace[0]

    def attention(of: Any) -> float:
        return max(_pattern_off(of, layer, pattern) for layer, pattern in enumerate(patterns))

    def residual() -> float:
        return max(_off(traced().residual(layer), stream) for layer, stream in enumerate(streams))

    found = {"logits": lambda: _off(traced().logits, logits), "residual streams": residual}
    if len(patterns) == len(streams):
        found["attention"] = lambda: attention(traced())
        found["attention from q and k"] = lambda: attention(scope.trace(CLEAN, capture=("q", "k")))
    found["direct logit attribution"] = lambda: _attribution_off(traced(), difference)
    found["patching"] = lambda: _patching_off(scope, model)
    found["circuits"] = lambda: _circuits_off(scope, difference)
    return found


def _pattern_off(trace: Any, layer: int, pattern: torch.Tensor) -> float:
    """Compare a pattern; some classes (Granite with windows) give it before the share of a sink is taken off."""
    found = torch.as_tensor(trace.attention(layer))
    tokens = 1 - trace.attention_sink(layer)
    return min(_off(found, pattern), _off(found / tokens[..., None], pattern))


def _attribution_off(trace: Any, difference: float) -> float:
    parts = lens.direct_logit_attribution(trace, answer=ANSWER, versus=VERSUS).to_dataframe()["contribution"]
    return abs(float(parts.sum()) - difference) / max(1, abs(difference))


def _patching_off(scope: Any, model: Any, layer: int = 2, position: int = 3) -> float:
    """The residual stream before one block at one position, from the clean prompt into the corrupted one.

    An effect is a share of the difference of two runs: what rounding makes of that is no fault.
    """
    found = patching.activations(
        scope, [CLEAN], [CORRUPTED], answer=ANSWER, versus=VERSUS, over="residual", positions=[position]
    ).to_dataframe()
    kept: list[torch.Tensor] = []

    def put(_: Any, args: Any, kwargs: Any) -> Any:
        stream = _stream(args, kwargs).clone()
        stream[:, position] = kept[0][:, position]
        return ((stream, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": stream})

    def metric(ids: list[int], hook: Any = None) -> float:
        handle = hook and _blocks(model)[layer].register_forward_pre_hook(hook, with_kwargs=True)
        try:
            with torch.no_grad():
                last = model(torch.tensor([ids]), use_cache=False).logits[0, -1]
        finally:
            if handle:
                handle.remove()
        return float(last[ANSWER] - last[VERSUS])

    clean, corrupted = metric(CLEAN, _keeper(kept)), metric(CORRUPTED)
    effect = (metric(CORRUPTED, put) - corrupted) / (clean - corrupted)
    off = abs(float(found[found["layer"] == layer]["effect"].iloc[0]) - effect)
    rounding = 8 * torch.finfo(torch.float32).eps * max(1, abs(clean)) / abs(clean - corrupted)
    return max(0.0, off - rounding) / max(1, abs(effect))


def _circuits_off(scope: Any, difference: float) -> float:
    """A circuit of every edge is the model; one of none is the corrupted run."""
    pair = ([CLEAN, CLEAN], [CORRUPTED, CORRUPTED], [ANSWER, ANSWER], [VERSUS, VERSUS])
    task = circuits.Task.of(scope, *pair)
    found = circuits.discover(scope, task, "eap")
    whole, none = (
        circuits.faithfulness(scope, found.keep(n_edges=n), task=task, draws=0) for n in (found.graph.n_edges, 0)
    )
    off = abs(float(whole.metric.mean()) - difference), abs(float(none.metric.mean()) - float(none.empty.mean()))
    return max(off) / max(1, abs(difference))


def _verdict(what: str, check: Callable[[], float]) -> tuple[str, str]:
    try:
        off = check()
    except (ValueError, TypeError, NotImplementedError, NotCapturedError) as error:
        return ("refused" if len(str(error)) > 40 else "crash"), f"{what}: {error}"
    except Exception as error:
        return "crash", f"{what}: {_said(error)}"
    return ("right" if off < 2e-3 else "wrong"), f"{what}: off by {off:.1e}"


def _off(found: Any, reference: torch.Tensor) -> float:
    given = torch.as_tensor(np.asarray(found)).float()
    if given.shape != reference.shape:
        return float("inf")
    return float((given - reference).abs().max() / reference.abs().max().clamp_min(1e-9))


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:120]}"


if __name__ == "__main__":
    for name, (verdict, text) in survey(sys.argv[1:]).items():
        print(f"{verdict:8} {name:24} {text}")
