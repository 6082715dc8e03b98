"""Jobs and answers that take long, gone through to their end."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from scope_widgets._job import Job, JobStatus


def gone_through(steps: Generator[JobStatus, None, Any] | Job[Any]) -> tuple[list[JobStatus], Any]:
    """The status of each step, and the result."""
    job = steps if isinstance(steps, Job) else Job(steps)
    statuses = list(job)
    return statuses, job.result(progress=False)


def texts(statuses: list[JobStatus]) -> list[str]:
    """What is said of a request that is waited for: each text once, without what says nothing."""
    return list(dict.fromkeys(status.text for status in statuses if status.text))
