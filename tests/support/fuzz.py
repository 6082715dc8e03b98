"""Damaged files by the hundred, with what each does: `python -m tests.support.fuzz --flips 20 [--only trace]`."""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import scope_widgets
from tests.support.fuzz_formats import Format

#: seconds of the processor, and bytes beyond what the process has, that one example may take
MOST_SECONDS, MOST_BYTES = 10, 1_000_000_000
OURS = str(Path(scope_widgets.__file__).parent)
_RUN = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "pickle.find_class", "socket.connect")


class TookTooLong(BaseException):
    """More time of the processor than an example may take."""


def is_sentence(error: BaseException) -> bool:
    """Whether an error is one that this package means: of a kind for callers to catch, in words, and raised here."""
    from traitlets import TraitError

    frames = traceback.extract_tb(error.__traceback__)
    known = isinstance(error, (ValueError, FileNotFoundError, TraitError)) or type(error).__module__.startswith(
        "scope_w"
    )
    words = str(error)
    text = len(words) < 3000 and len(words.split()) > 4 and re.search(r"[.)?]$", words) is not None
    return known and text and frames[-1].filename.startswith(OURS) and not isinstance(error, UnicodeError)


def resident() -> int:
    """Return the most bytes that this process has had in memory since `forget_peak`."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return 0


def forget_peak() -> None:
    """Begin to count anew."""
    Path("/proc/self/clear_refs").write_text("5")


#: examples of each format of a group where the number is not given
FEW = {"traces": 3, "others": 3, "remote": 3, "models": 1, "saes": 1, "views": 1, "results": 1}


def fuzz(formats: Iterable[tuple[Format, int]], seed: int) -> dict[str, Any]:
    """Damage and read each format so many times; return counts, and one example of each kind of failure."""
    executed: list[str] = []
    sys.addaudithook(lambda event, args: executed.append(event) if event in _RUN else None)

    def stop(*_: Any) -> None:
        raise TookTooLong

    signal.signal(signal.SIGVTALRM, stop)
    report: dict[str, Any] = {"tried": 0, "taken": 0, "refused": 0, "seconds": 0.0, "bytes": 0, "failures": []}
    kinds: Counter[tuple[str, str]] = Counter()
    of_format: dict[str, Any] = {}
    for kind, flips in formats:
        draw = random.Random(f"{seed} {kind.name}")
        own = {"failed": 0, "seconds": 0.0, "bytes": 0}
        for at in range(flips):
            example = kind.damage(draw)
            executed.clear()
            forget_peak()
            before, began, outcome = resident(), time.process_time(), "taken"
            signal.setitimer(signal.ITIMER_VIRTUAL, MOST_SECONDS)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    kind.use(example)
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                outcome = "refused"
                if not is_sentence(error):
                    last = traceback.extract_tb(error.__traceback__)[-1]
                    ours = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(OURS)]
                    where = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in [last, *reversed(ours[-2:])])
                    outcome = f"{type(error).__name__} at {where}: {str(error)[:150]!r}"
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            seconds, size = time.process_time() - began, resident() - before
            if outcome in ("taken", "refused"):
                report[outcome] += 1
                if executed:
                    outcome = f"executed {executed}"
                elif size > MOST_BYTES:
                    outcome = f"{size:,} bytes"
                elif seconds > MOST_SECONDS:
                    outcome = f"{seconds:.1f} s"
            report["tried"] += 1
            own["seconds"], own["bytes"] = max(own["seconds"], seconds), max(own["bytes"], size)
            if outcome not in ("taken", "refused"):
                own["failed"] += 1
                shape = re.sub(r"\d+|'.*", "", outcome.partition(":")[0] + outcome.partition(": ")[2][:20])
                kinds[kind.name, shape] += 1
                if kinds[kind.name, shape] == 1:
                    report["failures"].append([kind.name, at, outcome, str(example)[:100]])
        of_format[kind.name] = own
    report["failed"] = sum(kinds.values())
    report["seconds"] = max((own["seconds"] for own in of_format.values()), default=0)
    report["bytes"] = max((own["bytes"] for own in of_format.values()), default=0)
    report["formats"] = of_format
    return report


GROUPS = ("results", "traces", "models", "saes", "views", "remote", "others")


def fuzz_groups(scope: Any, chosen: Iterable[str], flips: int | None, seed: int) -> dict[str, Any]:
    """Damage and read the formats of groups, in a folder that is gone afterwards; `flips` None: a few of each.

    It changes where the process is, what it logs and who hears of what it runs: it is for a process of its own.
    """
    import logging

    from tests.support import fuzz_formats

    logging.disable(logging.ERROR)
    with tempfile.TemporaryDirectory() as where:
        os.chdir(where)
        folder = Path(where)
        groups = {
            "results": lambda: fuzz_formats.results(fuzz_formats.result_makers(), scope),
            "traces": lambda: fuzz_formats.traces(scope, folder),
            "models": lambda: fuzz_formats.models(folder),
            "saes": lambda: fuzz_formats.saes(scope, folder),
            "views": lambda: fuzz_formats.views(scope),
            "remote": lambda: fuzz_formats.remote(scope, folder),
            "others": lambda: fuzz_formats.others(scope, folder),
        }
        report = fuzz(((one, flips or FEW[name]) for name in chosen for one in groups[name]()), seed)
        report["left"] = [str(path.name) for path in folder.iterdir() if path.name == "executed"]
    return report


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--flips", type=int, help="by default a few")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="a group of formats, or several, with commas")
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    from scope_widgets import Microscope

    chosen = [name for name in GROUPS if not options.only or name in options.only.split(",")]
    print(json.dumps(fuzz_groups(Microscope.load("demo"), chosen, options.flips, options.seed), indent=1))


if __name__ == "__main__":
    main()
