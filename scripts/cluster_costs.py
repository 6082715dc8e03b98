"""Estimates of what recording and training cost for models of 1B to 70B parameters, from rates that were measured.

`python -m scripts.cluster_costs` prints the tables of docs/clusters.md, `--write` puts them there. What is assumed of a
GPU, and prices, are arguments.

A rate in operations a second is taken from benchmarks/results.json (recording SmolLM2-135M, a training step) and held
to be the same for larger matrices; on a GPU it is the assumed peak times the assumed utilisation.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DOCS, RESULTS = ROOT / "docs" / "clusters.md", ROOT / "benchmarks" / "results.json"
RECORDING = re.compile(r"recording SmolLM2 to layer (\d+) of 30 / whole forward")
STEP = re.compile(r"training step of (\d+) rows, k (\d+), ([\d,]+) latents of width (\d+): saelens / ours")
#: tokens that are recorded and trained on
TOKENS = (50_000_000, 100_000_000)
#: latents per width of the model, and rows of a batch, as features.train has by default
EXPANSION = 8
BATCH = 2048
#: bytes of a number that is stored, of the table of a row, of a weight with its gradient and Adam's moments, and what a
#: step of Adam reads and writes of it
NUMBER, TABLE, TRAINED, ADAM = 2, 20, 16, 28
HOURS = ("CPU hours", "price", "GPU hours", "price")


@dataclass(frozen=True)
class Shape:
    """The blocks of a model.

    Attributes
    ----------
    name : str
    blocks, d, heads, key_heads, d_head, mlp : int
        `mlp` is the width of an MLP of three matrices.
    """

    name: str
    blocks: int
    d: int
    heads: int
    key_heads: int
    d_head: int
    mlp: int

    @property
    def of_block(self) -> int:
        """Parameters of a block that are multiplied with."""
        return 2 * self.d * self.d_head * (self.heads + self.key_heads) + 3 * self.d * self.mlp

    def operations(self, blocks: int) -> int:
        """Return the operations of a token up to a block: 2 for each parameter, without attention's own products."""
        return 2 * blocks * self.of_block


SMOLLM2 = Shape("SmolLM2-135M", 30, 576, 9, 3, 64, 1536)
MODELS = (
    Shape("1B", 16, 2048, 32, 8, 64, 8192),
    Shape("7B", 32, 4096, 32, 32, 128, 11008),
    Shape("32B", 64, 5120, 40, 8, 128, 27648),
    Shape("70B", 80, 8192, 64, 8, 128, 28672),
)


@dataclass(frozen=True)
class Machine:
    """What is computed on.

    Attributes
    ----------
    recording, training : float
        Operations a second.
    price : float
        An hour.
    bandwidth : float
        Bytes a second that Adam reads and writes; infinite where `training` was measured with Adam.
    """

    recording: float
    training: float
    price: float
    bandwidth: float = math.inf

    def recording_hours(self, model: Shape, tokens: int) -> float:
        """Return the hours of recording the middle of a model."""
        return tokens * model.operations(model.blocks // 2) / self.recording / 3600

    def training_hours(self, model: Shape, tokens: int) -> float:
        """Return the hours of one pass over the rows."""
        of_adam = tokens / BATCH * trained(model) * ADAM / self.bandwidth
        return (tokens * training_operations(model) / self.training + of_adam) / 3600


def trained(model: Shape) -> int:
    """Return the weights of the encoder and the decoder."""
    return 2 * model.d * EXPANSION * model.d


def training_operations(model: Shape) -> int:
    """Return the operations of a row: the one product with all latents, what is sparse being left out."""
    return 2 * model.d * EXPANSION * model.d


def measured() -> dict[str, Any]:
    """Return the rates of benchmarks/results.json, in tokens or rows and in operations a second, and the machine."""
    figures = json.loads(RESULTS.read_text())["figures"]
    recording = next(one for one in figures if RECORDING.fullmatch(one["name"]))
    step = next(one for one in figures if STEP.fullmatch(one["name"]))
    blocks = int(RECORDING.fullmatch(recording["name"])[1])  # type: ignore[index]
    rows, _, latents, d = (int(one.replace(",", "")) for one in STEP.fullmatch(step["name"]).groups())  # type: ignore[union-attr]
    tokens_a_second = recording["detail"]["tokens"] / recording["detail"]["record_s"]
    rows_a_second = rows / (step["detail"]["ms"] / 1e3)
    return {
        "machine": recording["machine"],
        "blocks": blocks,
        "latents": latents,
        "tokens_a_second": tokens_a_second,
        "rows_a_second": rows_a_second,
        "recording": tokens_a_second * SMOLLM2.operations(blocks),
        "training": rows_a_second * 2 * d * latents,
    }


def tables(given: argparse.Namespace) -> str:
    """Return the text and tables for what is assumed."""
    rates = measured()
    cpu = Machine(rates["recording"], rates["training"], given.cpu_price)
    share = given.utilisation * 1e12
    gpu = Machine(given.peak * share, given.training_peak * share, given.gpu_price, given.bandwidth * 1e9)
    machines, of = (cpu, gpu), rates["machine"]
    recording = [
        [
            one.name,
            f"{one.blocks}, {one.d}, {one.mlp}",
            f"{one.operations(one.blocks // 2) / 1e9:.1f}",
            # weights of two bytes, and a fifth more for what is computed
            f"{math.ceil(1.2 * one.operations(one.blocks) / (given.memory * 1e9))}",
            _of_both(lambda tokens, one=one: tokens * (one.d * NUMBER + TABLE) / 1e9),
            *_costs(machines, lambda machine, tokens, one=one: machine.recording_hours(one, tokens)),
        ]
        for one in MODELS
    ]
    training = [
        [
            one.name,
            f"{EXPANSION * one.d:,}",
            f"{training_operations(one) / 1e6:,.0f}",
            f"{trained(one) * TRAINED / 1e9:.1f}",
            *_costs(machines, lambda machine, tokens, one=one: machine.training_hours(one, tokens)),
        ]
        for one in MODELS
    ]
    return f"""\
All hours and prices are estimates, of one such machine or one such GPU.

- Measured on {of["cores"]} cores ({of["processor"]}): {rates["tokens_a_second"]:,.0f} tokens a second, recording
  SmolLM2-135M to block {rates["blocks"]} of 30, which is {cpu.recording / 1e9:.0f} GFLOP/s;
  {rates["rows_a_second"]:,.0f} rows a second, training {rates["latents"]:,} latents of width {SMOLLM2.d}, which is
  {cpu.training / 1e9:.0f} GFLOP/s of the product with all latents.
- Assumed: larger matrices are multiplied as fast. A GPU of {given.memory:g} GB and {given.bandwidth:,.0f} GB/s reaches
  {given.utilisation:.0%} of its peaks, {given.peak:g} TFLOP/s in bfloat16 (the model) and {given.training_peak:g} in
  float32 (training). An hour of these {of["cores"]} cores costs {given.cpu_price:.2f}, of the GPU
  {given.gpu_price:.2f}.

Recording the residual stream in the middle of the model as float16, 50 / 100 million tokens:

{_table(["model", "blocks, width, MLP", "GFLOP a token", "GPUs to hold it", "disk, GB", *HOURS], recording)}

Training {EXPANSION} latents per number of a row, one pass, batches of {BATCH:,}:

{_table(["model", "latents", "MFLOP a row", "weights, gradients, moments, GB", *HOURS], training)}
"""


def _table(names: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (names, ["---"] * len(names), *rows))


def _of_both(value: Callable[[int], float]) -> str:
    return " / ".join(_short(value(tokens)) for tokens in TOKENS)


def _costs(machines: Iterable[Machine], hours: Callable[[Machine, int], float]) -> Iterator[str]:
    for machine in machines:
        yield _of_both(lambda tokens, machine=machine: hours(machine, tokens))
        yield _of_both(lambda tokens, machine=machine: machine.price * hours(machine, tokens))


def _short(value: float) -> str:
    """Return a number with two digits that count."""
    return f"{float(f'{value:.2g}'):,.{0 if value >= 10 else 1 if value >= 1 else 2}f}"


def with_tables(text: str, new: str) -> str:
    """Return the text of the docs with other tables."""
    begins, ends = "<!-- costs: python -m scripts.cluster_costs --write -->\n", "<!-- end of costs -->"
    before, _, rest = text.partition(begins)
    _, found, after = rest.partition(ends)
    if not found:
        raise ValueError(f"The docs have no tables between {begins.strip()!r} and {ends!r}.")
    return f"{before}{begins}\n{new}\n{ends}{after}"


def write(given: argparse.Namespace | None = None) -> None:
    """Put the tables into the docs, of the assumptions that they are of where none are given."""
    given = arguments().parse_args([]) if given is None else given
    DOCS.write_text(with_tables(DOCS.read_text(), tables(given)))


def arguments() -> argparse.ArgumentParser:
    """Return what can be assumed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peak", type=float, default=400.0, help="of the GPU in bfloat16, TFLOP/s")
    parser.add_argument("--training-peak", type=float, default=40.0, help="of the GPU in float32, TFLOP/s")
    parser.add_argument("--bandwidth", type=float, default=2000.0, help="of the GPU's memory, GB/s")
    parser.add_argument("--utilisation", type=float, default=0.3, help="share of the peak that is reached")
    parser.add_argument("--memory", type=float, default=80.0, help="of the GPU, GB")
    parser.add_argument("--gpu-price", type=float, default=2.5, help="an hour")
    parser.add_argument("--cpu-price", type=float, default=0.1, help="an hour, of the machine that was measured")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/clusters.md")
    return parser


def main() -> None:
    """Print the tables, or write them."""
    given = arguments().parse_args()
    if given.write:
        write(given)
    else:
        print(tables(given), end="")


if __name__ == "__main__":
    main()
