"""Progress and warnings of a command: on stderr, on a terminal only."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

#: of other packages, whose bars are made when they are imported
_NO_BARS = ("TQDM_DISABLE", "HF_HUB_DISABLE_PROGRESS_BARS")


@contextmanager
def progress(quiet: bool) -> Iterator[None]:
    """While the block runs, have no bars where nobody looks at stderr, or nobody wants any; no warnings when quiet."""
    with ExitStack() as stack:
        if quiet:
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
        if quiet or not sys.stderr.isatty():
            from scope_widgets._progress import hearing

            stack.enter_context(_environment())
            stack.enter_context(_without_bars_of_transformers())
            stack.enter_context(hearing(lambda *_: None))
        yield


@contextmanager
def _environment() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _NO_BARS}
    os.environ.update(dict.fromkeys(_NO_BARS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _without_bars_of_transformers() -> Iterator[None]:
    logs = sys.modules.get("transformers.utils.logging")
    if logs is None or not logs.is_progress_bar_enabled():
        yield
        return
    logs.disable_progress_bar()
    try:
        yield
    finally:
        logs.enable_progress_bar()
