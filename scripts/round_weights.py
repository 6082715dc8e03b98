"""Round float32 weights to fewer bits of the mantissa, so that a wheel has them smaller: ``round_weights FILE...``.

A float32 of which the last bits are 0 is the same to every program, and is packed to fewer bytes. With 16 bits of 24
each weight moves by 1.5e-5 of itself at most.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

#: bits of the mantissa that are kept, with the one that is not stored
BITS = 16


def rounded(weights: torch.Tensor, bits: int = BITS) -> torch.Tensor:
    """Return float32 weights, each the nearest number with `bits` bits of mantissa."""
    mantissa, exponent = torch.frexp(weights)
    return torch.ldexp(torch.round(mantissa * 2**bits) / 2**bits, exponent)


def round_file(file: Path) -> None:
    """Round what is in a file of safetensors, in place."""
    with safe_open(file, "pt") as opened:
        about = opened.metadata()
    save_file({name: rounded(tensor) for name, tensor in load_file(file).items()}, file, about)


def main() -> None:
    """Round the files that are given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help=".safetensors files")
    for file in parser.parse_args().files:
        round_file(file)


if __name__ == "__main__":
    main()
