"""`RecordedRun`: a run as its folder has it, and `load`, which reads one."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scope_widgets._json_fields import decode
from scope_widgets._untrusted import MOST_NUMBERS, check_name, opening, parse_json, read_text, reading
from scope_widgets.tracking import run_folder
from scope_widgets.tracking.process import lives
from scope_widgets.tracking.read_events import read_events
from scope_widgets.tracking.stored_files import stored
from scope_widgets.tracking.tables import read_table

if TYPE_CHECKING:
    import pandas as pd

STATUSES = ("running", "done", "failed", "killed")
#: seconds without a sign of life after which a run on another machine is taken for killed
_SILENT = 90.0
#: seconds since 1970 that are a date
_LATEST = 9e9


@dataclass(frozen=True, eq=False, repr=False)
class RecordedRun:
    """A run as its folder has it, at the time it was read.

    Attributes
    ----------
    folder : Path
    name : str
    status : str
        "running", "done", "failed" or "killed".
    error : str
        Why it failed, or what is known of how it was killed; else empty.
    begun, ended : str or None
        ISO 8601, in UTC; of a run that was killed its last sign of life.
    config, provenance : dict
    events : list of dict
        All that was noted, in its order: `time` (seconds since 1970), `kind` ("log", "table", "figure", "file") and
        what goes with it.
    damaged : int
        Lines of events.jsonl that are none: the last one of a process that was killed as it wrote, say.
    left_out : int
        Events of logged values that are not among `events`: of more than 500 MB every second one is left out, and again
        until they are less; the first and the last stay.

    Examples
    --------
    >>> with tracking.run(folder) as run:
    ...     run.log({"loss": 0.5})
    >>> tracking.load(folder)
    RecordedRun('new', done, 1 event)
    """

    folder: Path
    name: str
    status: str
    error: str
    begun: str | None
    ended: str | None
    config: dict[str, Any]
    provenance: dict[str, Any]
    events: list[dict[str, Any]] = field(default_factory=list)
    damaged: int = 0
    left_out: int = 0

    def __repr__(self) -> str:
        """Say which it is, and how it ended."""
        n = len(self.events) + self.left_out
        why = f" ({self.error})" if self.error else ""
        return f"RecordedRun({self.name!r}, {self.status}{why}, {n:,} event{'s' * (n != 1)})"

    @property
    def seconds(self) -> float:
        """How long it took, or has taken so far; NaN where that is not known."""
        if self.begun is None:
            return float("nan")
        end = time.time() if self.status == "running" else _seconds(self.ended)
        return end - _seconds(self.begun)

    @property
    def history(self) -> pd.DataFrame:
        """What was logged, a row a call of `log`: step, time, and a column a name; NaN where it was not logged."""
        import numpy as np
        import pandas as pd

        logged = [event for event in self.events if event["kind"] == "log"]
        values = [_values(event) for event in logged]
        names = list(dict.fromkeys(name for one in values for name in one))
        if len(names) * len(values) > MOST_NUMBERS // 10:
            raise ValueError(
                f"{str(self.folder)!r} logs {len(names):,} names in {len(values):,} steps, which is too much for one "
                "table: read .events."
            )
        columns = {name: [one.get(name, np.nan) for one in values] for name in names}
        steps = [event.get("step") for event in logged]
        given = [event.get("time") for event in logged]
        seconds = [one if isinstance(one, (int, float)) and abs(one) < _LATEST else np.nan for one in given]
        times = pd.to_datetime(np.array(seconds, dtype=np.float64), unit="s", utc=True)
        return pd.DataFrame({"step": steps, "time": times, **columns})

    @property
    def last(self) -> dict[str, Any]:
        """The last value of each name that was logged."""
        found: dict[str, Any] = {}
        for event in self.events:
            if event["kind"] == "log":
                found |= _values(event)
        return found

    @property
    def tables(self) -> list[str]:
        """Names of its tables."""
        return self._names("table")

    def table(self, name: str) -> pd.DataFrame:
        """Return a table.

        Raises
        ------
        KeyError, ValueError
            Where there is none of this name, or it is damaged.
        """
        if name not in self.tables:
            raise KeyError(f"{self!r} has no table {name!r}; it has {', '.join(self.tables) or 'none'}.")
        return read_table(self.folder / run_folder.TABLES, run_folder.check_name("table", name))

    @property
    def figures(self) -> dict[str, Path]:
        """Its figures: the file of each name."""
        found = {}
        for event in self.events:
            if event["kind"] == "figure" and isinstance(event.get("name"), str):
                file = Path(run_folder.check_name("figure", event.get("file")))
                found[event["name"]] = self.folder / run_folder.FIGURES / file
        return found

    @property
    def files(self) -> list[str]:
        """Names of its files."""
        return self._names("file")

    def file(self, name: str) -> Path:
        """Return the path of a file, as it was stored last under this name; its hash is checked.

        Raises
        ------
        KeyError, ValueError
            Where there is none of this name, or it is no longer what was stored.
        """
        of_name = [one.get("file") for one in self.events if one["kind"] == "file" and one.get("name") == name]
        if not of_name:
            raise KeyError(f"{self!r} has no file {name!r}; it has {', '.join(self.files) or 'none'}.")
        with reading(f"The file {name!r} of {str(self.folder)!r} cannot be read"):
            return stored(self.folder / run_folder.FILES, of_name[-1])

    def _names(self, kind: str) -> list[str]:
        names = [event.get("name") for event in self.events if event["kind"] == kind]
        return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def load(folder: str | Path) -> RecordedRun:
    """Return a run as its folder has it, whether it has ended or not.

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    RecordedRun

    Raises
    ------
    FileNotFoundError
        Where there is no run.
    ValueError
        Where its files are none of a run.

    Examples
    --------
    >>> with tracking.run(folder, config={"seed": 0}) as run:
    ...     run.log({"loss": 0.5}, step=10)
    >>> read = tracking.load(folder)
    >>> read.config, read.last, read.history["step"].tolist()
    ({'seed': 0}, {'loss': 0.5}, [10])
    """
    folder = check_name(folder)
    if not (folder / run_folder.EVENTS).is_file():
        raise FileNotFoundError(
            f"There is no run in {str(folder)!r}: it has no {run_folder.EVENTS}. tracking.runs(folder) lists the runs "
            "below a folder."
        )
    about = read_about(folder)
    read = read_events(folder / run_folder.EVENTS)
    return RecordedRun(**about, events=read.events, damaged=read.damaged, left_out=read.left_out)


def read_about(folder: Path) -> dict[str, Any]:
    """Return what run.json says, with the status that the run really has."""
    if not (folder / run_folder.RUN).exists():
        said = f"its process ended before it wrote {run_folder.RUN}"
        nothing: dict[str, Any] = {"begun": None, "ended": None, "config": {}, "provenance": {}}
        return {"folder": folder, "name": folder.resolve().name, "status": "killed", "error": said, **nothing}
    text = read_text(folder / run_folder.RUN)
    with reading(f"{str(folder / run_folder.RUN)!r} is not of a run"):
        about = decode(parse_json(text), dict[str, Any], "it")
        if about.get("format") != run_folder.FORMAT:
            raise ValueError(f"its format is {opening(about.get('format'))} and not {run_folder.FORMAT!r}")
        found = {name: decode(about[name], str, name) for name in ("name", "status", "error")}
        times = {name: decode(about[name], str | None, name) for name in ("begun", "ended")}
        for one in times.values():
            _seconds(one)
        plain = {name: decode(about[name], dict[str, Any], name) for name in ("config", "provenance")}
        if found["status"] not in STATUSES:
            raise ValueError(f"its status is {opening(found['status'])}, and not {', '.join(STATUSES)}")
        if found["status"] == "running":
            process = decode(about["process"], dict[str, Any], "process")
            if error := _dead(process, beat := decode(about["heartbeat"], float, "heartbeat")):
                found |= {"status": "killed", "error": error}
                times["ended"] = datetime.fromtimestamp(beat).astimezone().isoformat(timespec="seconds")
    return {"folder": folder, **found, **times, **plain}


def _dead(process: dict[str, Any], heartbeat: float) -> str:
    """Return what is known of the end of a process; "" where it may live."""
    alive = lives(process)
    if alive is None:
        silent = time.time() - heartbeat
        return f"no sign of life for {silent:,.0f} s from {process.get('host')!r}" if silent > _SILENT else ""
    return "" if alive else f"its process {process.get('pid')} is gone"


def _values(event: dict[str, Any]) -> dict[str, Any]:
    """Return the values that an event logged, NaN and infinities as numbers."""
    values, words = event.get("values"), event.get("not_finite", {})
    if not isinstance(values, dict) or not isinstance(words, dict):
        return {}
    return values | {name: float(one) for name, one in words.items() if one in ("nan", "inf", "-inf")}


def _seconds(when: str | None) -> float:
    return float("nan") if when is None else datetime.fromisoformat(when).timestamp()
