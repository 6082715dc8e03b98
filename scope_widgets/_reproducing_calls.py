"""The Python calls that make a result again: known functions and literals, whatever a file says."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping
from typing import Any

from scope_widgets._python_code import is_plain_call

_REQUIRED = object()
#: one prompt of a trace, some of a set
_PART = re.compile(r"trace\[[0-9]+\]|prompts\[[0-9]+:[0-9]+\]")
_OF_PATCHING = {"answer": None, "versus": None, "metric": None, "roles": None}
_OF_CELLS = {**_OF_PATCHING, "over": "head", "positions": "each", "direction": "denoising", "corrupted_roles": None}
_OF_TASKS = ("name", "clean", "corrupted", "answer", "versus", "metric", "model_id", "groups")
#: the functions whose results know their call, and the defaults of their options, which are left out
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    # not: whether code that lies beside the weights may run, nor addresses and keys of servers
    "Microscope.load": {
        "device": None,
        "dtype": None,
        "revision": None,
        "device_map": None,
        "quantization_config": None,
        "attn_implementation": None,
        "remote": False,
        "source": None,
    },
    "scope.trace": {"capture": None, "modules": (), "logits": "all", "prepend_bos": None},
    "heads.score": {"null_draws": 200, "seed": 0},
    "heads.score_repeated_tokens": {"n": 4, "length": 100, "seed": 0, "null_draws": 200},
    "heads.importance": {"ablation": "zero", "batch": 32},
    "heads.composition": {"kind": "k"},
    "heads.writes": {"position": -1, "n": 10},
    "heads.ov_tokens": {"stream": None, "n": 10},
    "heads.copied_tokens": {"stream": None, "n": 10},
    "heads.qk_tokens": {"stream": None, "n": 10},
    "heads.label": {"thresholds": None, "max_null_p": 0.1},
    "lens.logit_lens": {"n": 5, "watch": None},
    "lens.direct_logit_attribution": {"answer": _REQUIRED, "versus": None, "position": -1},
    "lens.neuron_attribution": {"answer": _REQUIRED, "versus": None, "position": -1},
    "lens.token_loss": {},
    "lens.token_values": dict.fromkeys(("layer", "neuron", "head", "position", "to")),
    "features.load": {"layout": None},
    "features.latent_values": {},
    "FeatureIndex.load": {"sae": None},
    "index.example": {},
    "circuits.Task": {**dict.fromkeys(_OF_TASKS, _REQUIRED), "seed": None},
    "circuits.discover": {
        "ablation": "counterfactual",
        "min_effect": 0.01,
        "steps": 5,
        "threshold": None,
        "target": 0.9,
        "within": None,
        "saes": None,
        "n_nodes": 50,
        "seed": 0,
    },
    "features.provenance": {
        "depth": 2,
        "site": None,
        "position": None,
        "components": None,
        "candidates": 20,
        "follow": 5,
        "draws": 20,
        "min_effect": 0.05,
        "alpha": 0.05,
        "ablation": "mean",
        "labels": None,
        "seed": 0,
    },
    "geometry.points": {
        "tokens": "other prompts",
        "n": 10_000,
        "first_tokens": False,
        "massive": False,
        "site": None,
        "scope": None,
        "seed": 0,
    },
    "geometry.project": {
        "method": "pca",
        "n": 2,
        "k": 10,
        "neighbours": 15,
        "perplexity": 30.0,
        "standardise": False,
        "seed": 0,
    },
    "ioi.prompts": {
        "n": 100,
        "seed": 0,
        "order": "both",
        "templates": None,
        "names": None,
        "prepend_bos": None,
    },
    "ioi.detect": {"min_effect": 0.02, "min_direct": 0.05, "alpha": 0.05, "seed": 0},
    "ioi.ablate_heads": {"avoid": (), "draws": 10, "seed": 0},
    "patching.ablate": {
        **_OF_PATCHING,
        "ablation": "zero",
        "positions": "all",
        "reference": None,
        "groups": None,
        "reference_groups": None,
        "factor": 0.0,
        "std": 1.0,
        "seed": 0,
    },
    "patching.activations": _OF_CELLS,
    "patching.attribution": _OF_CELLS,
    "patching.paths": {
        **_OF_PATCHING,
        "senders": "heads",
        "receivers": "logits",
        "positions": "all",
        "direction": "noising",
    },
}


def python_call(function: str, *given: str | tuple[str, Any], **options: Any) -> str:
    """Return the text of a call; options that are at their defaults are left out.

    Parameters
    ----------
    function : str
        One of `OPTIONS`.
    *given : str or (name, value)
        Positional arguments: names of variables, or values with the name of the variable that stands for one which is
        no literal (a function, a model).
    **options
        The same by keyword.
    """
    defaults = OPTIONS[function]
    said = [f"{name}={_written(name, value)}" for name, value in options.items() if not _same(value, defaults[name])]
    args = [one if isinstance(one, str) else _written(*one) for one in given]
    return f"{function}({', '.join([*args, *said])})"


def is_known_call(text: str) -> bool:
    """Return whether `python_call` may have written a text, or it is a part: `trace[2]`, `prompts[0:50]`."""
    return bool(_PART.fullmatch(text)) or is_plain_call(text, OPTIONS)


def variables_of(text: str) -> list[str]:
    """Return the names of the variables that a known call takes, that of its object (`scope.trace`) first."""
    call: Any = ast.parse(text, mode="eval").body
    if isinstance(call, ast.Subscript):
        return [ast.unparse(call.value)]
    of = [call.func.value.id] if call.func.value.id in ("scope", "index") else []
    values = [*call.args, *(one.value for one in call.keywords)]
    return of + [one.id for one in values if isinstance(one, ast.Name)]


def literal(value: Any) -> str | None:
    """Return the text of a value as Python writes it; None where it is no literal. Arrays are written as lists."""
    value = _plain(value)
    return repr(value) if _is_plain(value) else None


def _written(name: str, value: Any) -> str:
    text = literal(value)
    return name if text is None else text


def _plain(value: Any) -> Any:
    """Return arrays, tensors and numbers of theirs as Python's own."""
    if type(value) in (int, str):  # nearly all that there is, and quick
        return value
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return {_plain(key): _plain(one) for key, one in value.items()}
    if type(value) in (list, tuple, range):
        return (tuple if type(value) is tuple else list)(map(_plain, value))
    return value


def _is_plain(value: Any) -> bool:
    if type(value) in (list, tuple):
        return all(map(_is_plain, value))
    if type(value) is dict:
        return all(map(_is_plain, value)) and all(map(_is_plain, value.values()))
    return value is None or type(value) in (str, int, bool) or (type(value) is float and math.isfinite(value))


def _same(value: Any, default: Any) -> bool:
    return type(value) is type(default) and bool(value == default)
