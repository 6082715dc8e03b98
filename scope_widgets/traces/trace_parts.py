"""A trace as a header and named tensors, which are what its files hold, and back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from scope_widgets._provenance import Provenance
from scope_widgets.traces.attention_scoring import AttentionScoring
from scope_widgets.traces.trace_files import Header, Tensors

if TYPE_CHECKING:
    from scope_widgets.traces.trace import Trace

_FORMAT = "scope-widgets trace 1"
_MODULE = "module "
_LAST = "last_logits"


def to_parts(trace: Trace) -> tuple[Header, Tensors]:
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
    tensors = {"token_ids": trace.token_ids, "mask": trace.mask}
    if (kept := trace.kept_logits) is not None:
        tensors["logits" if trace.keeps == "all" else _LAST] = kept
    tensors |= {f"{site}.{i}": value for site, layers in trace.values.items() for i, value in enumerate(layers)}
    tensors |= {f"{_MODULE}{name}": value for name, value in trace.modules.items()}
    return header, {name: value.detach().cpu() for name, value in tensors.items()}


def from_parts(kind: type[Trace], header: Header, tensors: Tensors) -> Trace:
    """Return the trace, of a class of traces, that `to_parts` was given."""
    if header["format"] != _FORMAT:
        raise ValueError(f"format {header['format']!r} instead of {_FORMAT!r}")
    provenance, n_layers = header["provenance"], header["n_layers"]
    return kind(
        token_ids=tensors["token_ids"],
        tokens=header["tokens"],
        kept_logits=tensors.get("logits", tensors.get(_LAST)),
        n_layers=n_layers,
        n_heads=header["n_heads"],
        n_kv_heads=header["n_kv_heads"],
        mask=tensors["mask"],
        provenance=Provenance(**{**provenance, "prompts": tuple(provenance["prompts"])}),
        scoring=tuple(_scoring(one) for one in header["scoring"]),
        values={
            site: [tensors[f"{site}.{layer}"] for layer in range(n_layers + (site == "residual"))]
            for site in header["captured"]
        },
        modules={name.removeprefix(_MODULE): value for name, value in tensors.items() if name.startswith(_MODULE)},
    )


def _scoring(fields: dict[str, Any]) -> AttentionScoring:
    """Return a scoring that JSON has made lists of."""
    own: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in fields.items()}
    return AttentionScoring(**own)
