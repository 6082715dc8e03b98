"""Measure everything: one line a figure, all of them in benchmarks/results.json, and in the pages that show them."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import os
import platform
from pathlib import Path

import torch

from benchmarks import performance_page
from benchmarks.figure import Figure
from scope_widgets._provenance import versions
from scripts import cluster_costs

MODULES = (
    "families",
    "kernels",
    "tracing",
    "patching",
    "ioi",
    "circuits",
    "steering",
    "pointing",
    "touch",
    "sliders",
    "views",
    "workbench",
    "feature_browser",
    "attention_stack",
    "features",
    "dashboards",
    "geometry",
    "report",
    "training",
    "bundles",
    "remote",
)


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


def _write(figures: list[Figure]) -> None:
    path = Path(__file__).with_name("results.json")
    before = json.loads(path.read_text())["figures"] if path.exists() else []
    # each says where it was measured: not all are measured again together
    machine = {"processor": _processor(), "cores": os.cpu_count()}
    machine |= {"threads": torch.get_num_threads(), "system": platform.system()}
    about = {"machine": machine, "versions": versions()}
    measured = {figure.name: dataclasses.asdict(figure) | {"met": figure.met, **about} for figure in figures}
    kept = {figure["name"]: figure for figure in before} | measured
    text = json.dumps({"figures": list(kept.values())}, indent=1)
    path.write_text(text + "\n")
    performance_page.write(list(kept.values()))
    cluster_costs.write()


def _processor() -> str:
    """Return the model of the processor where the system says it."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
