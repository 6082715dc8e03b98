"""`microscope analyze --model demo --out analysis`: all that this package finds of a model, in a folder."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scope_widgets.cli.conventions import options as take
from scope_widgets.cli.conventions import schema
from scope_widgets.cli.conventions.answer import Answer
from scope_widgets.cli.conventions.command_parser import UsageError, add_command
from scope_widgets.cli.output_folder import check_writable

if TYPE_CHECKING:
    from scope_widgets.cli.analysis_progress import AnalysisProgress
    from scope_widgets.cli.child_process import ChildProcess

#: words of `scope_widgets.circuits`, which is imported when it is needed
TASKS = ("greater_than", "induction", "agreement", "capitals", "ioi")
#: how often a stage that was killed is begun again, with half as much at once
_MOST_HALVINGS = 4
_WORKER = "scope_widgets.report.pipeline"


EXAMPLE = "microscope analyze --num-samples 8 --tasks induction --skip-sae --layers 2 --out analysis"
_STAGE = schema.record(
    "a stage",
    finished=schema.truth("whether its files are there"),
    seconds=schema.number("what it took; null where it was kept from a run before, or is not finished"),
    notes=schema.listed(schema.text("a sentence"), "what there is not, and why"),
    planned_seconds=schema.number("what was expected of a stage that was not finished"),
    planned_bytes=schema.number("of memory"),
)
ANSWER = {
    "stages": {"type": "object", "additionalProperties": _STAGE, "description": "by name, in their order"},
}


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    parser = add_command(
        commands,
        "analyze",
        _run,
        help="find out and write down all about a model: architecture, geometry, features, heads, circuits, a report",
        description="The same command goes on where it was stopped, to the same bytes. docs/analyze.md says what "
        "each file of the folder is.",
        example=EXAMPLE,
        answer=ANSWER,
    )
    take.add_model(parser, dry_run=False)
    parser.add_argument(
        "--num-samples",
        type=take.at_least(1),
        default=200,
        metavar="N",
        help="texts that are recorded, and pairs of each task, 8 to 40 of them",
    )
    take.add_layers(parser, "by default all, or of many eight")
    parser.add_argument(
        "--tasks", type=_tasks, default=TASKS, metavar="ioi,induction", help=f"by default {','.join(TASKS)}"
    )
    parser.add_argument("--skip-sae", action="store_true", help="no sparse autoencoder")
    parser.add_argument("--evals", action="store_true", help="measure the model on the package's suites too")
    take.add_texts(parser, "a .jsonl or .parquet file, or one of a text a line")
    parser.add_argument("--column", default="text", help="where a .jsonl or .parquet file has its texts")
    take.add_seed(parser, "all that is drawn")
    take.add_out(parser, "a folder of its own", Path("analysis"), "--output-dir")
    # its own plan: the stages, beside the memory of the model
    parser.add_argument(
        "--dry-run", dest="plan", action="store_true", help="say what would be done, how long, in what memory"
    )


def _run(options: argparse.Namespace) -> Answer:
    if options.texts is not None and not options.texts.is_file():
        raise FileNotFoundError(f"There is no file {str(options.texts)!r}: --texts names a file of texts.")
    if options.remote and (options.device or options.dtype):
        raise UsageError("--device and --dtype are the server's choice: leave them out with --remote.")
    made = not options.out.exists()
    if not options.plan:
        check_writable(options.out)
    names = ("model", "num_samples", "layers", "tasks", "skip_sae", "evals", "column", "seed")
    settings = {name: getattr(options, name) for name in names}
    given = {"device": options.device, "dtype": options.dtype, "remote": options.remote}
    settings["loading"] = {name: value for name, value in given.items() if value}
    settings["texts"] = None if options.texts is None else str(options.texts)
    try:
        progress = _finished(settings, options)
    finally:
        if made and options.out.is_dir() and not any(options.out.iterdir()):
            options.out.rmdir()  # it did not come to anything
    return Answer(progress.to_data(), progress.plan_text() if options.plan else progress.summary_text(options.out))


def _finished(settings: dict[str, Any], options: argparse.Namespace) -> AnalysisProgress:
    """Have a process of its own do the work; where it is killed for its memory, begin it again with less at once."""
    from scope_widgets.cli.analysis_progress import AnalysisProgress
    from scope_widgets.cli.child_process import ChildProcess  # json, subprocess: not for --help

    halvings: dict[str, int] = {}
    while True:
        progress = AnalysisProgress(quiet=options.quiet or options.plan)
        asked = {"settings": settings, "out": str(options.out), "dry_run": options.plan, "halvings": halvings}
        child = ChildProcess(_WORKER, asked)
        try:
            for message in child.messages():
                progress.hear(message)
            words = child.last_words()
        except KeyboardInterrupt:
            child.interrupt()
            heard = AnalysisProgress(quiet=True)
            for message in child.said():
                heard.hear(message)
            raise KeyboardInterrupt(heard.interrupted()) from None
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


def _tasks(text: str) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(one.strip() for one in text.split(",") if one.strip()))
    if wrong := [one for one in chosen if one not in TASKS]:
        raise argparse.ArgumentTypeError(f"there is no task {wrong[0]!r}; there are {', '.join(TASKS)}")
    return chosen
