"""Processes that train together take the steps of one. Without Lightning Fabric this is skipped."""

import json
import os
import subprocess
import sys

import pytest
import torch

from scope_widgets import features
from scope_widgets.features.training.processes import Processes
from scope_widgets.features.training.run import TrainingRun
from scope_widgets.features.training.steps.objective import strongest_of_all
from tests.support.paths import ROOT

ARCHITECTURES = ("batch_topk", "topk", "matryoshka", "jumprelu", "gated")
#: what is trained, with the targets of a transcoder
OPTIONS = {
    **{name: lambda _, name=name: {"architecture": name} for name in ARCHITECTURES},
    "transcoder": lambda targets: {"target": targets, "skip": True},
}
#: so few steps that rounding does not decide what fires; dead latents begin anew from step 8 on
STEPS, DEAD_AFTER = 40, 256
#: numbers of one process and of two differ by the order of their sums
RTOL = 1e-4


def curves(fabric=None, folder=None):
    """Return the loss, L0, share of dead latents and variance explained of each step, by architecture."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.relu(torch.randn(2000, 24, generator=generator) - 0.5) @ torch.randn(24, 12, generator=generator)
    targets = torch.relu(rows) @ torch.randn(12, 10, generator=generator)
    found = {}
    for architecture, options in OPTIONS.items():
        measures = []
        step = TrainingRun.step

        def noted(run, x, y, step=step, measures=measures):
            run._step.life._dead_after = DEAD_AFTER
            measures.append(step(run, x, y))
            return measures[-1]

        TrainingRun.step = noted
        try:
            sae = features.train(
                rows,
                **options(targets),
                d_sae=64,
                k=3,
                batch=64,
                steps=STEPS,
                learning_rate=0.02,
                folder=None if folder is None else os.path.join(folder, architecture),
                fabric=fabric,
                progress=False,
            )
        finally:
            TrainingRun.step = step
        found[architecture] = {name: [one[name] for one in measures] for name in measures[0]}
        found[architecture]["decoder"] = sae.W_dec.flatten().tolist()
    return found


def of_a_process(folder):
    """What each process that torchrun starts does."""
    from lightning_fabric import Fabric

    torch.set_num_threads(1)
    fabric = Fabric(accelerator="cpu", devices=int(os.environ["WORLD_SIZE"]), strategy="ddp")
    fabric.launch()
    found = curves(fabric, folder)
    with pytest.raises(ValueError, match="batch=63 rows do not part into 2 processes: give a multiple of 2"):
        features.train(torch.randn(256, 8), d_sae=16, k=2, steps=5, batch=63, fabric=fabric)
    with open(os.path.join(folder, f"{fabric.global_rank}.json"), "w") as file:
        json.dump(found, file)


def test_two_processes_take_the_steps_of_one(tmp_path):
    pytest.importorskip("lightning_fabric")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    alone = curves()
    torch.set_num_threads(threads)
    program = f"from tests.features.training.test_processes import of_a_process; of_a_process({str(tmp_path)!r})"
    script = tmp_path / "train.py"
    script.write_text(program)
    torchrun = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--local-addr", "127.0.0.1"]
    torchrun += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"]
    known = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    made = subprocess.run(
        [sys.executable, *torchrun, str(script)], cwd=ROOT, env=os.environ | known, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr[-3000:]
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    for architecture in OPTIONS:
        # dead latents begin anew, and something is learnt; gates are open for long
        assert any(alone[architecture]["dead"]) or architecture == "gated"
        assert alone[architecture]["loss"][-1] < 0.5 * alone[architecture]["loss"][0]
        for name, values in alone[architecture].items():
            found = torch.tensor(first[architecture][name])
            torch.testing.assert_close(
                found, torch.tensor(values), rtol=RTOL, atol=1e-5, msg=lambda m, a=architecture, n=name: f"{a} {n}: {m}"
            )
        saved = features.load(tmp_path / architecture)
        assert saved.W_dec.flatten().tolist() == first[architecture]["decoder"]


class Pretended:
    """Two processes in one, of which this has a part: what the other gives is known."""

    def __init__(self, rank, others):
        self.device = "cpu"
        self.world_size, self.global_rank, self.is_global_zero = 2, rank, rank == 0
        self._others = others

    def all_reduce(self, value, reduce_op):
        return (value + self._others.pop(0)) / 2

    def all_gather(self, value):
        return torch.stack([value, self._others.pop(0)][:: -1 if self.global_rank else 1])


@pytest.mark.parametrize("guess", [0.0, 0.9, 5.0])
def test_the_strongest_of_a_batch_are_those_of_all_its_parts(guess):
    p = torch.randn(10, 30, generator=torch.Generator().manual_seed(1))
    whole = strongest_of_all(p, 4, guess)
    own, other = p[:5], p[5:]
    # of the other: how many are above the guess, where that is asked for, and the strongest
    enough = (p > guess).sum() >= 40
    above = other[other > (guess if enough else 0)]
    strongest = above.topk(min(40, len(above))).values
    strongest = torch.cat([strongest, torch.zeros(40 - len(strongest))])
    given = [float((other > guess).sum()), strongest] if guess else [strongest]
    fired, least = Processes(Pretended(0, given)).strongest_of_batch(own, 4, guess)
    here = whole.where(whole.rows < 5)
    assert torch.equal(fired.rows, here.rows)
    assert torch.equal(fired.latents, here.latents)
    assert least == float(whole.values.min())


def test_where_nothing_fires_nothing_is_kept():
    fired, least = Processes(Pretended(0, [torch.zeros(8)])).strongest_of_batch(-torch.ones(2, 5), 2, 0.0)
    assert len(fired.values) == 0
    assert least == float("inf")
