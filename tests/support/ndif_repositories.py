"""Make the models that the server of the remote tests finds on its hub, and print them as `name=folder ...`.

Run as `python -m tests.support.ndif_repositories FOLDER`; folders that are made are made in FOLDER.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from tests.support.paths import ROOT

DEMO = ROOT / "scope_widgets/models/demo"


def without_weights(folder: Path) -> Path:
    """A model whose configuration and tokenizer are there and whose weights are not: the server cannot load it."""
    folder.mkdir(parents=True)
    for path in DEMO.glob("*.json"):
        shutil.copy(path, folder)
    return folder


def gpt2_small(folder: Path) -> Path:
    """A model of 12 x 12 heads and of GPT-2 small's size, of random weights, for the benchmarks."""
    import torch
    import transformers

    torch.manual_seed(0)
    tokenizer = transformers.AutoTokenizer.from_pretrained(DEMO)
    config = transformers.GPT2Config(vocab_size=len(tokenizer))
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def main() -> None:
    """Print the repositories."""
    from scripts import get_smollm2

    repositories = {
        "demo/ioi": DEMO,
        "demo/hasty": DEMO,  # test_failures.py gives it a time limit of a few seconds
        "demo/broken": without_weights(Path(sys.argv[1]) / "broken"),
    }
    if get_smollm2.ready():
        repositories["ns/smollm2"] = get_smollm2.folder()
    if os.environ.get("REMOTE_BENCHMARKS"):
        repositories["bench/gpt2-small"] = gpt2_small(Path(sys.argv[1]) / "gpt2-small")
    print(*(f"{name}={folder}" for name, folder in repositories.items()))


if __name__ == "__main__":
    main()
