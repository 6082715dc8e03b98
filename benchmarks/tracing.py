"""What recording costs beside a plain forward."""

from __future__ import annotations

import torch

from benchmarks.figure import Figure, side_by_side


def measure(quick: bool = False) -> list[Figure]:
    import transformers

    from scope_widgets import Microscope

    config = transformers.GPT2Config(n_layer=3 if quick else 12)
    model = transformers.GPT2LMHeadModel(config).eval()
    tokenizer = Microscope.load("demo").tokenizer  # only names the tokens
    scope = Microscope.for_model(model, tokenizer, "random GPT-2-small size")
    ids = torch.arange(1000, 1128)[None]

    def plain() -> None:
        with torch.no_grad():
            model(input_ids=ids, use_cache=False)

    forward, trace = side_by_side(plain, lambda: scope.trace(ids[0]), rounds=3 if quick else 15)
    detail = {"forward_ms": 1e3 * forward, "trace_ms": 1e3 * trace, "model": "GPT-2 small size, random, 1 x 128 tokens"}
    return [Figure("trace of everything / plain forward", trace / forward, "x", 1.10, "lower", detail)]
