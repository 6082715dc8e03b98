"""What the process of an analysis says, as a line of progress on stderr, a plan, a summary."""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from typing import Any

#: files of the folder that one opens first
_FIRST = ("report.html", "documentation.html", "summary.md", "manifest.json")


class AnalysisProgress:
    """How far an analysis is.

    Parameters
    ----------
    quiet : bool
        Nothing on stderr; off a terminal there is nothing either but what a person must know.

    Attributes
    ----------
    stage : str
        The one that is under way.
    halvings : int
        How often memory did not suffice in it.
    error : str or None
    done : bool
    """

    def __init__(self, *, quiet: bool) -> None:
        self.stage, self.halvings, self.done = "", 0, False
        self.error: str | None = None
        self._quiet, self._shows = quiet, sys.stderr.isatty() and not quiet
        self._ready: dict[str, bool] = {}
        self._planned: dict[str, dict[str, Any]] = {}
        self._seconds: dict[str, float] = {}
        self._notes: dict[str, list[str]] = {}
        self._begun = time.monotonic()

    def hear(self, message: dict[str, Any] | None) -> None:
        """Take a message of the process; None: some time has passed."""
        kind = "" if message is None else message["kind"]
        if message is not None:
            getattr(self, f"_hear_{kind}", lambda _: None)(message)
        self._show()

    def _hear_plan(self, message: dict[str, Any]) -> None:
        self._ready = dict(message["done"])
        self._planned = {one["stage"]: one for one in message["planned"]}

    def _hear_kept(self, message: dict[str, Any]) -> None:
        self._notes[message["stage"]] = message["notes"]

    def _hear_begun(self, message: dict[str, Any]) -> None:
        self.stage, self.halvings, self._begun = message["stage"], 0, time.monotonic()

    def _hear_finished(self, message: dict[str, Any]) -> None:
        self._ready[message["stage"]] = True
        self._seconds[message["stage"]], self._notes[message["stage"]] = message["seconds"], message["notes"]
        if self._shows:
            self.clear()
            print(f"{message['stage']}: {_time(message['seconds'])}", file=sys.stderr)
        self.stage = ""

    def _hear_halved(self, message: dict[str, Any]) -> None:
        self.halvings = message["halvings"]
        self.say(
            f"Memory did not suffice in stage {message['stage']}: it goes on with 1/{2**self.halvings} at once, or of "
            "as many."
        )

    def _hear_failed(self, message: dict[str, Any]) -> None:
        self.error = str(message["error"])

    def _hear_done(self, _: dict[str, Any]) -> None:
        self.done = True

    def say(self, sentence: str) -> None:
        """Write a sentence that a person must know, on a terminal or not."""
        self.clear()
        if not self._quiet:
            print(sentence, file=sys.stderr)

    def clear(self) -> None:
        """Take the line of progress away."""
        if self._shows:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _show(self) -> None:
        if self._shows and self.stage:
            at = [*self._ready].index(self.stage) + 1 if self.stage in self._ready else 0
            line = f"[{at}/{len(self._ready)}] {self.stage} {_time(time.monotonic() - self._begun)}"
            left = self.seconds_left()
            about = "" if math.isnan(left) else f", about {_time(left)} left in all"
            print(f"\r\x1b[K{line}{about}", end="", file=sys.stderr, flush=True)

    def seconds_left(self) -> float:
        """Return the seconds that are left, from the plan and how right it was so far; NaN where nobody knows."""
        planned = {name: one["seconds"] for name, one in self._planned.items()}
        said = sum(planned[name] for name in self._seconds if name in planned)
        factor = (sum(self._seconds.values()) + 5) / (said + 5)  # as if five seconds had been as planned
        left: float = factor * sum(
            planned[name] for name, ready in self._ready.items() if not ready and name in planned
        )
        left -= time.monotonic() - self._begun if self.stage else 0.0
        return left if math.isnan(left) else max(0.0, left)  # max(0, NaN) is 0

    def interrupted(self) -> str:
        """Return how far it came, as a sentence."""
        ready = sum(self._ready.values())
        where = f" in stage {self.stage}" if self.stage else ""
        return (
            f"interrupted{where}. {ready} of {len(self._ready)} stages are finished and kept: the same command goes on."
        )

    # --- at the end -------------------------------------------------------------------------------------------------

    def to_data(self) -> dict[str, Any]:
        """Return it as JSON data: of each stage whether it is finished, seconds, notes, and what was planned."""
        stages = {
            name: {
                "finished": ready,
                "seconds": self._seconds.get(name),
                "notes": self._notes.get(name, []),
                "planned_seconds": _finite(self._planned.get(name, {}).get("seconds")),
                "planned_bytes": self._planned.get(name, {}).get("peak_bytes"),
            }
            for name, ready in self._ready.items()
        }
        return {"stages": stages}

    def plan_text(self) -> str:
        """Return the plan as a table."""
        lines = [f"{'stage':<15}{'time':>10}{'memory':>10}"]
        for name, ready in self._ready.items():
            planned = self._planned.get(name)
            if ready or planned is None:
                lines.append(f"{name:<15}{'finished':>10}")
            else:
                lines.append(f"{name:<15}{_time(planned['seconds']):>10}{planned['peak_bytes'] / 1e9:>7.1f} GB")
        total = sum(one["seconds"] for one in self._planned.values())
        lines.append(f"About {_time(total)} in all, on a machine that does nothing else. Nothing was written.")
        return "\n".join(lines)

    def summary_text(self, out: Path) -> str:
        """Return what was done, what there is not, and what to open."""
        lines = [f"{name}: {note}" for name, notes in self._notes.items() for note in notes if note]
        kept = [name for name in self._ready if name not in self._seconds]
        if kept:
            lines.append(f"Kept from a run before: {', '.join(kept)}.")
        lines.append(f"Written to {out}: {', '.join(_FIRST)}, and what each stage found")
        return "\n".join(lines)


def _finite(value: float | None) -> float | None:
    return value if value is None or math.isfinite(value) else None


def _time(seconds: float) -> str:
    """Return a duration, such as "42 s" or "3 min 5 s".

    Examples
    --------
    >>> _time(42.4), _time(185), _time(float("inf"))
    ('42 s', '3 min 5 s', 'unknown')
    """
    if not math.isfinite(seconds):
        return "unknown"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"
