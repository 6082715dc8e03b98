"""Rewrite a pickle of weights as safetensors: run as a program of its own, so that nothing of it runs in the caller."""

import json
import sys
from typing import Any

import torch
from safetensors.torch import save_file

#: names of a state dictionary, and how deep it may lie
_MOST, _DEEPEST = 10_000, 4


def main(pickle: str, weights: str) -> None:
    """Read tensors, numbers and texts of dictionaries, and nothing else; write them with their names joined by dots."""
    tensors: dict[str, torch.Tensor] = {}
    values: dict[str, Any] = {}
    _collect(torch.load(pickle, map_location="cpu", weights_only=True), "", tensors, values, 0)
    save_file(tensors, weights, {"values": json.dumps(values)})


def _collect(given: Any, name: str, tensors: dict[str, torch.Tensor], values: dict[str, Any], depth: int) -> None:
    if isinstance(given, torch.Tensor):
        tensors[name] = given.detach().to_dense().clone().contiguous()
    elif isinstance(given, dict) and depth < _DEEPEST:
        for key, one in given.items():
            if len(tensors) + len(values) < _MOST and isinstance(key, str) and len(key) < 200:
                _collect(one, f"{name}.{key}" if name else key, tensors, values, depth + 1)
    elif isinstance(given, (bool, int, float, str)) and len(str(given)) < 1000:
        values[name] = given


def _limit_memory(pickle: str) -> None:
    """Let it ask for a few times its file: a compressed one may claim anything."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    from pathlib import Path

    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 2**21
    most = pages * resource.getpagesize() + 8 * Path(pickle).stat().st_size + 2**30
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    _limit_memory(sys.argv[1])
    main(*sys.argv[1:])
