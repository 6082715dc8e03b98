"""A trace as a header and named tensors, which are what its files hold, and back."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, TypeVar

import torch

from scope_widgets._json_fields import decode
from scope_widgets._provenance import Provenance
from scope_widgets._untrusted import check_count, opening
from scope_widgets.traces.attention_scoring import AttentionScoring
from scope_widgets.traces.trace_data import TraceData
from scope_widgets.traces.trace_files import Header, Tensors

AnyTrace = TypeVar("AnyTrace", bound=TraceData)

_FORMAT = "scope-widgets trace 1"
_MODULE = "module "
_LAST = "last_logits"
_SITES = Literal[
    "residual", "q", "k", "v", "attention", "z", "attention_out", "mlp_out", "cross_attention", "cross_attention_out"
]
#: what the header holds
_TYPES: dict[str, Any] = {
    "tokens": list[str] | list[list[str]],
    "n_layers": int,
    "n_heads": int,
    "n_kv_heads": int,
    "captured": list[_SITES],
    "scoring": tuple[AttentionScoring, ...],
    "provenance": Provenance,
}


def to_parts(trace: TraceData) -> tuple[Header, Tensors]:
    """Return what JSON can hold of a trace, and its tensors by name."""
    header = {
        "format": _FORMAT,
        "tokens": trace.tokens,
        "n_layers": trace.n_layers,
        "n_heads": trace.n_heads,
        "n_kv_heads": trace.n_kv_heads,
        "captured": trace.captured,
        "scoring": [dataclasses.asdict(scoring) for scoring in trace.scoring],
        "provenance": dataclasses.asdict(trace.provenance),
    }
    if trace.source_tokens:
        header["source_tokens"] = list(trace.source_tokens)
    tensors = {"token_ids": trace.token_ids, "mask": trace.mask}
    if (kept := trace.kept_logits) is not None:
        tensors["logits" if trace.keeps == "all" else _LAST] = kept
    tensors |= {f"{site}.{i}": value for site, layers in trace.values.items() for i, value in enumerate(layers)}
    tensors |= {f"{_MODULE}{name}": value for name, value in trace.modules.items()}
    return header, {name: value.detach().cpu() for name, value in tensors.items()}


def from_parts(kind: type[AnyTrace], header: Header, tensors: Tensors) -> AnyTrace:
    """Return the trace, of a class of traces, that `to_parts` was given.

    Raises
    ------
    ValueError
        Where header and tensors are not those of one trace.
    """
    if header.get("format") != _FORMAT:
        raise ValueError(f"its format is {opening(header.get('format'))} instead of {_FORMAT!r}")
    about = {name: decode(header[name], hint, name) for name, hint in _TYPES.items()}
    sizes = {name: check_count(name, about[name]) for name in ("n_layers", "n_heads", "n_kv_heads")}
    n_layers = sizes["n_layers"]
    captured = {
        site: [f"{site}.{layer}" for layer in range(n_layers + (site == "residual"))]
        for site in about["captured"]
        if len(tensors) > n_layers
    }
    known = {name for names in captured.values() for name in names} | {"token_ids", "mask"}
    kept = {"logits", _LAST} & set(tensors)
    others = [name for name in {*known, *kept} ^ set(tensors) if not name.startswith(_MODULE)]
    if others or len(captured) < len(about["captured"]) or len(kept) > 1 or len(about["scoring"]) not in (0, n_layers):
        raise ValueError(
            f"its header is of {n_layers:,} layers of {opening(', '.join(about['captured']))}, and its tensors are not "
            f"({', '.join(sorted(others)[:3])})"
        )
    values = {site: [tensors[name] for name in names] for site, names in captured.items()}
    trace = kind(
        token_ids=tensors["token_ids"],
        tokens=about["tokens"],
        kept_logits=tensors.get("logits", tensors.get(_LAST)),
        mask=tensors["mask"],
        provenance=about["provenance"],
        scoring=about["scoring"],
        values=values,
        source_tokens=tuple(decode(header.get("source_tokens", []), list[str], "source_tokens")),
        modules={name.removeprefix(_MODULE): value for name, value in tensors.items() if name.startswith(_MODULE)},
        **sizes,
    )
    _check_shapes(trace)
    return trace


def _check_shapes(trace: TraceData) -> None:
    """Raise ValueError where tensors are not as long as the tokens, or of other heads than the header says."""
    ids, mask, logits = trace.token_ids, trace.mask, trace.kept_logits
    batch = tuple(ids.shape[:-1])
    rows = trace.tokens if len(batch) else [trace.tokens]
    if not (ids.ndim in (1, 2) and ids.dtype == torch.int64 and mask.shape == ids.shape and mask.dtype == torch.bool):
        raise ValueError("its token ids and mask are not of one shape")
    if not ids.numel() > 0 or [len(row) for row in rows] != trace.lengths or isinstance(rows[0], str):
        raise ValueError(f"it has {trace.lengths} tokens, and their texts are {[len(row) for row in rows]}")
    if not all(isinstance(text, str) for row in rows for text in row):
        raise ValueError("its tokens are no texts")
    if logits is not None and (logits.shape[:-1] not in (batch, ids.shape) or not logits.is_floating_point()):
        raise ValueError(f"its logits are of shape {list(logits.shape)}, and its tokens of {list(ids.shape)}")
    keys = {"attention": ids.shape[-1], "cross_attention": len(trace.source_tokens)}
    most: dict[str, int] = {}
    for site, layers in trace.values.items():
        for layer, value in enumerate(layers):
            if value.shape == (0,):  # stands for what a layer does not have
                continue
            heads = site in ("q", "k", "v", "z", *keys)
            n = len(batch)
            positions = tuple(value.shape[n + 1 :] if site in keys else value.shape[n : n + 1])
            lengths = (ids.shape[-1], keys[site]) if site in keys else (ids.shape[-1],)
            fits = value.ndim == n + 2 + heads and value.shape[:n] == batch and positions == lengths
            if not fits or not value.is_floating_point():
                raise ValueError(
                    f"{site}.{layer} is {value.dtype} {list(value.shape)}, and the tokens are {list(ids.shape)}"
                )
            if heads:
                most[site] = max(most.get(site, 0), value.shape[n if site in keys else n + 1])
    for site, there in most.items():
        expected = trace.n_kv_heads if site in ("k", "v") else trace.n_heads
        if there != expected:
            raise ValueError(f"{site} has {there} heads, and its header says {expected:,}")
