"""Traces as files: safetensors with JSON, plain JSON, NumPy archives. Never pickle."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from scope_widgets._result import Provenance
from scope_widgets.traces.scoring import Scoring
from scope_widgets.traces.trace import Trace

_FORMAT = "scope-widgets trace 1"
_TENSORS, _HEADER = "tensors.safetensors", "trace.json"


def save(trace: Trace, folder: Path) -> None:
    """Write `trace` into `folder`, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    # clone: safetensors refuses tensors that share memory, as views of one projection do
    save_file({name: value.clone().contiguous() for name, value in _tensors(trace).items()}, folder / _TENSORS)
    (folder / _HEADER).write_text(json.dumps(_header(trace)), encoding="utf-8")


def load(folder: Path) -> Trace:
    """Read what `save` wrote."""
    try:
        header = json.loads((folder / _HEADER).read_text(encoding="utf-8"))
        return _trace(header, load_file(folder / _TENSORS))
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
        raise ValueError(
            f"{folder} is not a whole trace folder: expected {_HEADER} and {_TENSORS} as trace.save(folder) writes "
            f"them ({type(error).__name__}: {error})."
        ) from error


def to_json(trace: Trace) -> str:
    """Write `trace` as JSON."""
    tensors = {
        name: {"dtype": str(value.dtype).removeprefix("torch."), "shape": list(value.shape), "values": _listed(value)}
        for name, value in _tensors(trace).items()
    }
    return json.dumps({**_header(trace), "tensors": tensors}, allow_nan=False)


def from_json(text: str) -> Trace:
    """Read what `to_json` wrote."""
    try:
        header = json.loads(text)
        tensors = {name: _unlisted(entry) for name, entry in header.pop("tensors").items()}
        return _trace(header, tensors)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"This text is not a trace written by trace.to_json(): it begins {text[:40]!r}.") from error


def to_npz(trace: Trace, path: Path) -> None:
    """Write `trace` as a NumPy archive; bfloat16, which NumPy lacks, is stored as float32 and restored."""
    arrays = {name: _numpy(value) for name, value in _tensors(trace).items()}
    dtypes = {name: str(value.dtype).removeprefix("torch.") for name, value in _tensors(trace).items()}
    header = json.dumps({**_header(trace), "dtypes": dtypes}).encode()
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays, header=np.frombuffer(header, dtype=np.uint8))


def from_npz(path: Path) -> Trace:
    """Read what `to_npz` wrote."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            header = json.loads(archive["header"].tobytes())
            tensors = {
                name: torch.from_numpy(archive[name]).to(getattr(torch, dtype))
                for name, dtype in header.pop("dtypes").items()
            }
        return _trace(header, tensors)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a trace written by trace.to_npz() ({error}).") from error


def _tensors(trace: Trace) -> dict[str, Tensor]:
    own = {"token_ids": trace.token_ids, "logits": trace.logits, "mask": trace.mask}
    recorded = {f"{site}.{layer}": value for site, layers in trace.values.items() for layer, value in enumerate(layers)}
    modules = {f"module {name}": value for name, value in trace.modules.items()}
    return {name: value.detach().cpu() for name, value in (own | recorded | modules).items()}


def _header(trace: Trace) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "tokens": trace.tokens,
        "n_layers": trace.n_layers,
        "n_heads": trace.n_heads,
        "n_kv_heads": trace.n_kv_heads,
        "captured": trace.captured,
        "scoring": [dataclasses.asdict(scoring) for scoring in trace.scoring],
        "provenance": dataclasses.asdict(trace.provenance),
    }


def _trace(header: dict[str, Any], tensors: dict[str, Tensor]) -> Trace:
    if header["format"] != _FORMAT:
        raise ValueError(f"format {header['format']!r} instead of {_FORMAT!r}")
    provenance = header["provenance"]
    values = {
        site: [tensors[f"{site}.{layer}"] for layer in range(header["n_layers"] + (site == "residual"))]
        for site in header["captured"]
    }
    return Trace(
        token_ids=tensors["token_ids"],
        tokens=header["tokens"],
        logits=tensors["logits"],
        n_layers=header["n_layers"],
        n_heads=header["n_heads"],
        n_kv_heads=header["n_kv_heads"],
        provenance=Provenance(**{**provenance, "prompts": tuple(provenance["prompts"])}),
        mask=tensors["mask"],
        scoring=tuple(Scoring(**scoring) for scoring in header["scoring"]),
        values=values,
        modules={
            name.removeprefix("module "): value for name, value in tensors.items() if name.startswith("module ")
        },
    )


def _numpy(value: Tensor) -> np.ndarray[Any, Any]:
    return (value.float() if value.dtype == torch.bfloat16 else value).numpy()


def _listed(value: Tensor) -> list[Any]:
    flat = _numpy(value).ravel().tolist()
    return [None if x != x else x for x in flat]  # NaN (padding) has no JSON


def _unlisted(entry: dict[str, Any]) -> Tensor:
    values = [float("nan") if x is None else x for x in entry["values"]]
    return torch.tensor(values, dtype=getattr(torch, entry["dtype"])).reshape(entry["shape"])
