"""Which process writes a run, and whether it still lives."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any


def this_process() -> dict[str, Any]:
    """Return what tells this process from all others: host, pid, and when it started."""
    return {"host": platform.node(), "pid": os.getpid(), "process_started": _started(os.getpid())}


def lives(process: dict[str, Any]) -> bool | None:
    """Return whether a process lives; None where this machine cannot know."""
    pid, started = process.get("pid"), process.get("process_started")
    if process.get("host") != platform.node() or type(pid) is not int or not isinstance(started, str):
        return None
    return _started(pid) == started if _can_tell() else None


def _started(pid: int) -> str:
    """Return when a process started, in whatever units the system has; "" where it is gone or nobody knows.

    A pid is given again to other processes, and with its start it is not.
    """
    if Path("/proc/self/stat").exists():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            return ""
        fields = stat.rpartition(")")[2].split()  # the name before may hold anything
        return "" if fields[0] in "ZX" else f"{boot} {fields[19]}"
    try:
        import psutil

        return repr(psutil.Process(pid).create_time())
    except Exception:  # not installed, no such process, or none that may be asked
        return ""


def _can_tell() -> bool:
    return _started(os.getpid()) != ""
