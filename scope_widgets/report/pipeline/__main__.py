"""The process that does the work of `microscope analyze`: settings come on stdin, an object a line goes to stdout.

It is a process of its own so that whoever began it sees it killed, by the kernel that has no memory left, say. It ends
with that one: where stdin ends, so does it.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any, TextIO

#: what the system says of a disk without room, or a file that may not be larger
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SAID = ("no space left", "file too large", "quota exceeded")


def main() -> int:
    """Do what stdin says; return the exit status."""
    asked = json.loads(sys.stdin.readline())
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no message
    stage = [""]

    def tell(kind: str, name: str = "", **about: Any) -> None:
        stage[0] = name if kind == "begun" else stage[0]
        _send(messages, {"kind": kind, "stage": name, **about})

    threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        _work(asked, tell)
    except KeyboardInterrupt:
        _send(messages, {"kind": "interrupted", "stage": stage[0]})
        return 130
    except Exception as error:
        _send(messages, {"kind": "failed", "stage": stage[0], "error": _sentence(error, asked["out"])})
        return 1
    _send(messages, {"kind": "done"})
    return 0


def _work(asked: dict[str, Any], tell: Any) -> None:
    from dataclasses import asdict

    from scope_widgets.models.microscope import Microscope
    from scope_widgets.report.pipeline.plan import plan
    from scope_widgets.report.pipeline.run import finished_in, run
    from scope_widgets.report.pipeline.settings import Settings

    settings, out = Settings.of(asked["settings"]), Path(asked["out"])
    scope = Microscope.load(settings.model, **settings.loading)
    done = finished_in(scope, settings, out)
    planned = plan(scope, settings, [name for name, ready in done.items() if not ready])
    tell("plan", done=done, planned=[asdict(one) for one in planned])
    if not asked["dry_run"]:
        run(scope, settings, out, tell=tell, halvings=asked["halvings"])


def _sentence(error: Exception, out: str) -> str:
    """Return what went wrong as a sentence."""
    said = str(error) or type(error).__name__
    if getattr(error, "errno", None) in _FULL or any(one in said.lower() for one in _SAID):
        return (
            f"There is no room left in {out!r} ({said}). Stages that are finished are kept: make room, and the same "
            "command goes on."
        )
    return said if isinstance(error, (ValueError, OSError, RuntimeError)) else f"{type(error).__name__}: {said}"


def _send(messages: TextIO, message: dict[str, Any]) -> None:
    messages.write(json.dumps(message) + "\n")
    messages.flush()


def _end_with_stdin() -> None:
    while os.read(0, 1 << 16):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
