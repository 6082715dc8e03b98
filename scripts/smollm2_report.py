"""Document SmolLM2-135M (30 layers, 70,651 edges): ``python -m scripts.smollm2_report --folder FOLDER``.

Processes of one thread each do one behaviour each at a time; one takes up to 6.2 GB. What is finished is kept in the
folder, so that it can be stopped. It prints the CPU seconds of each part, and the score of each behaviour.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

#: those with built-in writers, the slowest first
BEHAVIOURS = ("ioi", "greater_than", "induction", "agreement", "capitals")
#: each part is done by all before the next is begun, as it needs what all found
ROUNDS = ("entries", "effects", "claims", "score")
#: held-out pairs, pairs that writers look at, and draws of resampling, chosen for two CPU hours
N, N_DISCOVERY, DRAWS = 16, 16, 2


def main() -> None:
    """Document the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where all files of the report go")
    parser.add_argument("--workers", type=int, default=2, help="processes at once")
    parser.add_argument("--n", type=int, default=N, help="held-out pairs of each behaviour")
    parser.add_argument("--n-discovery", type=int, default=N_DISCOVERY, help="pairs that writers look at")
    parser.add_argument("--draws", type=int, default=DRAWS, help="of resampling")
    parser.add_argument("--part", help="a behaviour: do its next part, and end")
    given = parser.parse_args()
    options = {"n": given.n, "n_discovery": given.n_discovery, "draws": given.draws}
    if given.part is not None:
        _part(given.part, given.folder, options)
        return
    begun = time.monotonic()
    given.folder.mkdir(parents=True, exist_ok=True)
    for name in ROUNDS:
        _round(name, given.workers, begun, ["--folder", str(given.folder), *_arguments(options)])
    _summary(given.folder, options)
    ended = os.times()
    cpu = ended.user + ended.system + ended.children_user + ended.children_system
    print(f"{time.monotonic() - begun:.0f} s, {cpu:.0f} CPU s in all", flush=True)


def _round(name: str, workers: int, begun: float, arguments: list[str]) -> None:
    """Have each behaviour's next part done by a process of its own, so many at once."""
    waiting = list(BEHAVIOURS)
    running: dict[int, str] = {}
    failed: list[str] = []
    while waiting or running:
        while waiting and len(running) < workers:
            behaviour = waiting.pop(0)
            call = [sys.executable, "-m", "scripts.smollm2_report", "--part", behaviour, *arguments]
            one_thread = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
            running[subprocess.Popen(call, env=os.environ | one_thread).pid] = behaviour
        pid, status, used = os.wait3(0)
        behaviour = running.pop(pid)
        if status:
            failed.append(f"the part {name!r} of {behaviour} ended with status {os.waitstatus_to_exitcode(status)}")
        cpu, memory = used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20
        print(f"{time.monotonic() - begun:6.0f} s: {name} of {behaviour}, {cpu:.0f} CPU s, {memory:.1f} GB", flush=True)
    if failed:
        raise SystemExit(f"Go on with the same command: {'; '.join(failed)}.")


def _arguments(options: dict[str, int]) -> list[str]:
    return [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", str(value))]


def _part(behaviour: str, folder: Path, options: dict[str, Any]) -> None:
    from scope_widgets import Microscope, report
    from scripts import get_smollm2

    report.analyse_part(Microscope.load(get_smollm2.folder()), folder, behaviour, **options)


def _summary(folder: Path, options: dict[str, Any]) -> None:
    from scope_widgets import Microscope, report
    from scripts import get_smollm2

    done = report.analyse(Microscope.load(get_smollm2.folder()), folder, **options)
    print(done.score)
    if done.score is None:
        return
    for one in done.score.behaviours:
        entries = [entry for entry in done.entries if entry.behaviour == one.behaviour]
        print(
            f"{one.behaviour}: T {one.value:.3f} [{one.low:.3f}, {one.high:.3f}], R {one.R:.3f}, N {one.N:.3f}, "
            f"{one.n_edges:,} edges, {one.n_entries} of {len(entries)} entries verified, f {one.f}, h {one.h}. "
            f"{one.reason}"
        )


if __name__ == "__main__":
    main()
