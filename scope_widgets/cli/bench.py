"""`microscope bench`: how long the common calls take with a model on this machine."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from scope_widgets.cli.conventions import options as take
from scope_widgets.cli.conventions import schema
from scope_widgets.cli.conventions.answer import Answer
from scope_widgets.cli.conventions.command_parser import add_command

if TYPE_CHECKING:
    from scope_widgets import Microscope

EXAMPLE = "microscope bench --model demo --repeats 3"
ANSWER = {
    "model": schema.MODEL,
    "load_s": schema.number("seconds that loading it took, imports too"),
    "tokens": schema.whole("length of the prompt"),
    "calls": schema.listed(
        schema.record(
            "a call",
            call=schema.text("as it is written in Python"),
            median_ms=schema.number("the median"),
            fastest_ms=schema.number("the fastest"),
            repeats=schema.whole("how often it was timed, after one that was not"),
        ),
        "what was timed",
    ),
}


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of `microscope`."""
    parser = add_command(
        commands,
        "bench",
        _run,
        help="time the common calls with a model on this machine: trace, heads, lens, patching, steering",
        description="Each call is run once, and then timed --repeats times. What is slow and why, says microscope "
        "doctor.",
        example=EXAMPLE,
        answer=ANSWER,
    )
    parser.add_argument("--tokens", type=take.at_least(2), default=32, metavar="N", help="length of the prompt")
    parser.add_argument("--repeats", type=take.at_least(1), default=5, metavar="N", help="timings of each call")
    take.add_model(parser)


def _run(options: argparse.Namespace) -> Answer:
    from statistics import median  # not for --help

    begun = time.perf_counter()
    scope = take.load_model(options)
    load_s = time.perf_counter() - begun
    calls = []
    for name, call in _calls(scope, options.tokens).items():
        call()
        taken = sorted(_seconds(call) * 1000 for _ in range(options.repeats))
        calls.append({"call": name, "median_ms": median(taken), "fastest_ms": taken[0], "repeats": options.repeats})
    lines = [f"{one['median_ms']:10.1f} ms  {one['call']}" for one in calls]
    text = "\n".join([f"{scope!r}, {options.tokens} tokens; loaded in {load_s:.1f} s", *lines])
    return Answer({"model": scope.model_id, "load_s": load_s, "tokens": options.tokens, "calls": calls}, text)


def _calls(scope: Microscope, tokens: int) -> dict[str, Callable[[], Any]]:
    from scope_widgets import heads, lens, patching, steering

    ids = list(range(tokens))  # each other: so no cell is 0 by construction but those before the first
    other = [tokens, *ids[1:]]
    trace = scope.trace(ids)
    direction = steering.direction(scope, positive=[ids], negative=[other], layer=scope.n_layers // 2)

    def steered() -> Any:
        session = steering.Session(scope, ids, [steering.AddDirection(direction)])
        return session.at([0.3])

    return {
        "scope.trace(prompt)": lambda: scope.trace(ids),
        "heads.score(trace)": lambda: heads.score(trace),
        "lens.logit_lens(trace)": lambda: lens.logit_lens(trace, scope=scope),
        'patching.activations(scope, clean, corrupted, over="head", positions="all")': lambda: patching.activations(
            scope, ids, other, answer=0, over="head", positions="all"
        ),
        "patching.attribution(scope, clean, corrupted)": lambda: patching.attribution(scope, ids, other, answer=0),
        "steering.Session(scope, prompt, [add]).at([0.3])": steered,
        "scope.generate(prompt, max_new_tokens=8)": lambda: scope.generate(ids, max_new_tokens=8),
    }


def _seconds(call: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun
