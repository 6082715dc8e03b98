"""Measure everything: one line a figure, and all of them in benchmarks/results.json."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import os
import platform
from pathlib import Path

import torch

from scope_widgets._result import versions

MODULES = ("kernels", "tracing", "views", "bundles")


def main() -> None:
    """Run the benchmarks named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("only", nargs="*", default=MODULES, help=f"of {', '.join(MODULES)}")
    parser.add_argument("--quick", action="store_true", help="smaller shapes and fewer rounds; results are not written")
    arguments = parser.parse_args()
    figures = []
    for name in arguments.only:
        for figure in importlib.import_module(f"benchmarks.{name}").measure(quick=arguments.quick):
            print(figure.line(), flush=True)
            figures.append(figure)
    if not arguments.quick:
        _write(figures)


def _write(figures: list[object]) -> None:
    path = Path(__file__).with_name("results.json")
    before = json.loads(path.read_text())["figures"] if path.exists() else []
    measured = {figure.name: dataclasses.asdict(figure) | {"met": figure.met} for figure in figures}
    kept = {figure["name"]: figure for figure in before} | measured
    machine = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    machine |= {"threads": torch.get_num_threads(), "system": platform.system()}
    text = json.dumps({"machine": machine, "versions": versions(), "figures": list(kept.values())}, indent=1)
    path.write_text(text + "\n")


if __name__ == "__main__":
    main()
