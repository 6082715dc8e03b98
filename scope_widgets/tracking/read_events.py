"""`read_events`: the events of a run as far as they were written, however long it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scope_widgets._untrusted import MOST_TEXT, lines_of, parse_json
from scope_widgets.tracking.events import LONGEST


@dataclass
class ReadEvents:
    """What a file of events holds.

    Attributes
    ----------
    events : list of dict
        In their order.
    damaged : int
        Lines that are no event: the last one of a process that was killed as it wrote, say.
    left_out : int
        Events of logged values that are not among them.
    """

    events: list[dict[str, Any]]
    damaged: int
    left_out: int


def read_events(path: Path) -> ReadEvents:
    """Return the events of a file.

    Where logged values are more than 500 MB every second event of them is left out, and again until they are less; the
    first and the last stay.

    Raises
    ------
    FileNotFoundError, ValueError
        Where there is no such file, or what is no logged value is more than 500 MB.
    """
    events: list[dict[str, Any]] = []
    sizes: list[int] = []  # bytes of logged values, 0 of other events
    damaged, n_logged, step, of_logged, of_others = 0, 0, 1, 0, 0
    last: tuple[int, dict[str, Any]] | None = None
    for line in lines_of(path, LONGEST):
        if line is not None and not line.strip():
            continue
        event = None if line is None else _event(line)
        if line is None or event is None:
            damaged += 1
        elif event["kind"] != "log":
            events.append(event)
            sizes.append(0)
            of_others += len(line)
            if of_others > MOST_TEXT:
                raise ValueError(f"{str(path)!r} has more than {MOST_TEXT:,} bytes of what is no logged value.")
        else:
            if n_logged % step == 0:
                events.append(event)
                sizes.append(len(line))
                of_logged += len(line)
            if of_logged > MOST_TEXT:
                kept = _every_second(sizes)
                events, sizes = [events[at] for at in kept], [sizes[at] for at in kept]
                step, of_logged = 2 * step, sum(sizes)
            last = (len(events), event) if n_logged % step else None
            n_logged += 1
    n_kept = sum(size > 0 for size in sizes)
    if last is not None:
        events.insert(*last)
        n_kept += 1
    return ReadEvents(events, damaged, n_logged - n_kept)


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        event = parse_json(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("kind"), str) else None


def _every_second(sizes: list[int]) -> list[int]:
    """Return the places of every second event of logged values, and of all others."""
    kept, chosen = [], True
    for at, size in enumerate(sizes):
        if not size or chosen:
            kept.append(at)
        if size:
            chosen = not chosen
    return kept
