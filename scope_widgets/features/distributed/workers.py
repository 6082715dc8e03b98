"""Ray Data's `map_batches` over actors, on the cluster that there is, or on this machine alone."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from scope_widgets._check_choice import checked_count, checked_number


def mapped(
    worker: type, arguments: dict[str, Any], jobs: Iterable[dict[str, Any]], workers: int, cpus: int, gpus: float
) -> Iterator[dict[str, Any]]:
    """Yield what actors of the class `worker`, made with `arguments`, return of each job, in the order of the jobs.

    A job and what is returned are dicts of what Arrow holds: numbers, texts, lists of them. What is refused is raised
    as the ValueError or OSError that it was.
    """
    workers, cpus = checked_count("workers", workers), checked_count("cpus", cpus)
    if gpus:
        gpus = checked_number("gpus", gpus)
    with ray_here(workers * cpus) as ray:
        import pyarrow

        # a job lies in the store of objects, one block each, as soon as it is made
        references = [ray.put(pyarrow.Table.from_pylist([{**job, "job": at}])) for at, job in enumerate(jobs)]
        if not references:
            return
        data = ray.data.from_arrow_refs(references).map_batches(
            _Answering,
            fn_constructor_args=(worker, arguments),
            batch_size=1,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=min(workers, len(references))),
            num_cpus=cpus,
            num_gpus=gpus or None,
        )
        early: dict[int, dict[str, Any]] = {}
        wanted = 0
        for found in data.iter_rows():
            if found["errno"]:
                raise OSError(found["errno"], found["refused"])
            if found["refused"]:
                raise ValueError(found["refused"])
            early[found["job"]] = found
            while wanted in early:
                yield early.pop(wanted)
                wanted += 1


class _Answering:
    """An actor: what it holds is made once, each batch is a job."""

    def __init__(self, worker: type, arguments: dict[str, Any]) -> None:
        # made with the first job: of an actor that fails before it, Ray begins another, and another
        self._make = functools.cache(functools.partial(worker, **arguments))

    def __call__(self, batch: Any) -> Any:
        import pyarrow

        job = batch.to_pylist()[0]
        number = job.pop("job")
        try:
            answer = {"refused": "", "errno": 0, **self._make()(**job)}
        except ValueError as error:
            answer = {"refused": str(error), "errno": 0}
        except OSError as error:  # such as a full disk
            answer = {"refused": error.strerror or str(error), "errno": error.errno or 0}
        return pyarrow.Table.from_pylist([{**answer, "job": number}])


@contextmanager
def ray_here(cpus: int) -> Iterator[Any]:
    """Yield `ray`, on the cluster that was joined or that RAY_ADDRESS names, or else begun on this machine until then.

    What is begun here listens on 127.0.0.1 only, without a dashboard, and reports to nobody.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError:
        raise ImportError("Work on several machines needs Ray: pip install 'scope-widgets[ray]'.") from None
    own = not ray.is_initialized()
    if own and os.environ.get("RAY_ADDRESS"):
        ray.init(log_to_driver=False)
    elif own:
        _begin_here(ray, cpus)
    logger = logging.getLogger("ray.data")
    context, level = ray.data.DataContext.get_current(), logger.level
    bars, context.enable_progress_bars = context.enable_progress_bars, False
    logger.setLevel(logging.ERROR)
    try:
        yield ray
    finally:
        context.enable_progress_bars = bars
        logger.setLevel(level)
        if own:
            ray.shutdown()


def _begin_here(ray: Any, cpus: int) -> None:
    from ray._private import ray_constants

    # Ray takes the address that others reach this machine by, whatever it is told, where clusters are possible
    before, ray_constants.ENABLE_RAY_CLUSTER = ray_constants.ENABLE_RAY_CLUSTER, False
    try:
        ray.init(num_cpus=cpus, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
    if (address := ray.util.get_node_ip_address()) != "127.0.0.1":
        ray.shutdown()
        raise RuntimeError(
            f"This version of Ray ({ray.__version__}) would listen on {address}, which others can reach, not on "
            "127.0.0.1: begin it yourself, by ray.init(...), or take another version."
        )
