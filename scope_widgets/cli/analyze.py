"""`microscope analyze --model demo --out analysis`: all that this package finds of a model, in a folder."""

from __future__ import annotations

import argparse
import json
import signal
from pathlib import Path
from typing import Any

from scope_widgets.cli.analysis_progress import AnalysisProgress
from scope_widgets.cli.child_process import ChildProcess
from scope_widgets.cli.output_folder import check_writable

#: words of `scope_widgets.circuits`, which is imported when it is needed
TASKS = ("greater_than", "induction", "agreement", "capitals", "ioi")
#: how often a stage that was killed is begun again, with half as much at once
_MOST_HALVINGS = 4
_WORKER = "scope_widgets.report.pipeline"


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    parser = commands.add_parser(
        "analyze",
        help="find out and write down all about a model: architecture, geometry, features, heads, circuits, a report",
        description="The same command goes on where it was stopped, to the same bytes. docs/analyze.md says what "
        "each file of the folder is.",
    )
    parser.add_argument("--model", default="demo", help="demo (the default), a folder, a .gguf file or a hub id")
    parser.add_argument(
        "--num-samples",
        type=_count,
        default=200,
        help="texts that are recorded, and pairs of each task, 8 to 40 of them (default: 200)",
    )
    parser.add_argument("--layers", type=_layers, help="such as 0,6,11; by default all, or of many eight")
    parser.add_argument(
        "--tasks", type=_tasks, default=TASKS, help=f"such as ioi,induction; by default {','.join(TASKS)}"
    )
    parser.add_argument("--skip-sae", action="store_true", help="no sparse autoencoder")
    parser.add_argument("--evals", action="store_true", help="measure the model on the package's suites too")
    parser.add_argument("--texts", type=Path, help="a .jsonl or .parquet file, or one of a text a line")
    parser.add_argument("--column", default="text", help="where a .jsonl or .parquet has its texts (default: text)")
    parser.add_argument("--device", help="such as cuda; the CPU by default")
    parser.add_argument("--dtype", help="such as float32; as the weights were saved by default")
    parser.add_argument("--seed", type=_seed, default=0, help="of all that is drawn (default: 0)")
    parser.add_argument("--remote", action="store_true", help="run it on the NDIF server of NDIF_HOST, NDIF_API_KEY")
    parser.add_argument(
        "--out", "--output-dir", type=Path, default=Path("analysis"), help="a folder of its own (default: analysis)"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, how long and in what memory")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    parser.add_argument("--json", action="store_true", help="print an object, as docs/analyze.md describes it")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if options.texts is not None and not options.texts.is_file():
        raise FileNotFoundError(f"There is no file {str(options.texts)!r}: --texts names a file of texts.")
    if options.remote and (options.device or options.dtype):
        raise ValueError("--device and --dtype are the server's choice: leave them out with --remote.")
    made = not options.out.exists()
    if not options.dry_run:
        check_writable(options.out)
    names = ("model", "num_samples", "layers", "tasks", "skip_sae", "evals", "remote", "column", "device", "dtype")
    settings = {name: getattr(options, name) for name in (*names, "seed")}
    settings["texts"] = None if options.texts is None else str(options.texts)
    try:
        progress = _finished(settings, options)
    finally:
        if made and options.out.is_dir() and not any(options.out.iterdir()):
            options.out.rmdir()  # it did not come to anything
    if options.json:
        print(json.dumps(progress.to_data(), indent=1))
    elif options.dry_run:
        print(progress.plan_text())
    else:
        print(progress.summary_text(options.out))


def _finished(settings: dict[str, Any], options: argparse.Namespace) -> AnalysisProgress:
    """Have a process of its own do the work; where it is killed for its memory, begin it again with less at once."""
    halvings: dict[str, int] = {}
    while True:
        progress = AnalysisProgress(quiet=options.quiet or options.dry_run)
        asked = {"settings": settings, "out": str(options.out), "dry_run": options.dry_run, "halvings": halvings}
        child = ChildProcess(_WORKER, asked)
        try:
            for message in child.messages():
                progress.hear(message)
            words = child.last_words()
        except KeyboardInterrupt:
            child.interrupt()
            raise KeyboardInterrupt(progress.interrupted()) from None
        finally:
            progress.clear()
            child.close()
        if progress.error is not None:
            raise RuntimeError(progress.error)
        if progress.done:
            return progress
        stage = progress.stage
        if child.killed != signal.SIGKILL or not stage or halvings.get(stage, 0) >= _MOST_HALVINGS:
            raise RuntimeError(_how_it_ended(child, progress, words))
        halvings[stage] = max(halvings.get(stage, 0), progress.halvings) + 1
        progress.say(
            f"The process was killed in stage {stage}, as the system does that has no memory left: it goes on with "
            f"1/{2 ** halvings[stage]} at once, or of as many. What was finished is kept."
        )


def _how_it_ended(child: ChildProcess, progress: AnalysisProgress, words: str) -> str:
    where = f" in stage {progress.stage}" if progress.stage else ""
    how = f"was ended by signal {child.killed}" if child.killed else "ended without a word"
    hint = " Give fewer samples or layers, or a machine with more memory." if child.killed == signal.SIGKILL else ""
    last = f"\n{words}" if words else ""
    return (
        f"The process that does the work {how}{where}. Stages that are finished are kept, and the same command goes "
        f"on.{hint}{last}"
    )


def _count(text: str) -> int:
    return _whole(text, 1)


def _seed(text: str) -> int:
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    if not text.isdecimal() or not text.isascii() or int(text) < least:
        raise argparse.ArgumentTypeError(f"a whole number from {least} is expected; got {text[:40]!r}")
    return int(text)


def _layers(text: str) -> tuple[int, ...] | None:
    if text == "all":
        return None
    return tuple(_whole(one.strip(), 0) for one in text.split(","))


def _tasks(text: str) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(one.strip() for one in text.split(",") if one.strip()))
    if wrong := [one for one in chosen if one not in TASKS]:
        raise argparse.ArgumentTypeError(f"there is no task {wrong[0]!r}; there are {', '.join(TASKS)}")
    return chosen
