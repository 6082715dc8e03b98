"""What is fast or slow on this machine, and why: compiled modules, threads, torch's instructions, a GPU."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from scope_widgets.cli.installation.finding import Finding

#: where Linux says how much of the processors a container may use: microseconds in so many
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def speed() -> list[Finding]:
    """Return what is found of the compiled modules, the threads and the devices; it imports torch.

    Returns
    -------
    list of Finding
    """
    try:
        import torch
    except (ImportError, OSError) as error:
        return [
            Finding("torch", "missing", f"it cannot be imported ({error})", "Install it again: pip install -I torch.")
        ]
    return [*_kernels(), *_threads(torch.get_num_threads(), cores()), *_torch()]


def _kernels() -> Iterator[Finding]:
    from scope_widgets._kernels import build

    compiled = build()
    if compiled.missing:
        why = f" ({compiled.why})" if compiled.why else ""
        yield Finding(
            "compiled modules",
            "slow",
            f"without {', '.join(compiled.missing)}{why}: torch does the same, several times slower",
            "Install the wheel of this platform: pip install -I --only-binary scope-widgets scope-widgets.",
        )
    if compiled.lanes is None:
        return
    if compiled.lanes == 1:
        yield Finding(
            "compiled modules",
            "slow",
            "one number at a time: the compiler of this build has no vectors (as on Windows)",
            "The numbers are the same. Under Linux, WSL among it, they take vectors.",
        )
    else:
        how = (
            "instructions are chosen for this processor" if compiled.clones else f"vectors of {compiled.lanes} numbers"
        )
        yield Finding("compiled modules", "ok", how)
    if not compiled.threads:
        yield Finding(
            "threads of compiled modules",
            "slow",
            "one: this build is without OpenMP (as on macOS)",
            "Nothing to do; torch's own work has threads.",
        )


def cores() -> int:
    """Return how many processors this process may use: those that it is bound to, and a container's share of them.

    Returns
    -------
    int
        1 or more.

    Examples
    --------
    >>> cores() >= 1
    True
    """
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = _QUOTA.read_text().split()
        return here if quota == "max" else max(1, min(here, round(int(quota) / int(period))))
    except (OSError, ValueError, ZeroDivisionError):
        return here


def _threads(n_threads: int, n_cores: int) -> Iterator[Finding]:
    """Compare threads of torch, which our modules take too, with the processors."""
    names = [name for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if os.environ.get(name)]
    said = f"{n_threads} for {n_cores} processors"
    if n_threads < n_cores / 2:  # torch takes one of two that share a core
        why = f" ({', '.join(f'{name}={os.environ[name]}' for name in names)})" if names else ""
        do = f"Unset {' and '.join(names)}" if names else f"Call torch.set_num_threads({n_cores})"
        yield Finding("threads", "slow", said + why, f"{do}, before the model is loaded.")
    elif n_threads > n_cores:
        yield Finding(
            "threads",
            "slow",
            f"{said}: they wait for each other, as in a container with a share of a large machine",
            f"Set OMP_NUM_THREADS={n_cores} before Python begins.",
        )
    else:
        yield Finding("threads", "ok", said)


def _torch() -> Iterator[Finding]:
    import torch

    capability = torch.backends.cpu.get_cpu_capability()
    asked = os.environ.get("ATEN_CPU_CAPABILITY")
    if asked and capability == "DEFAULT":
        yield Finding("torch's instructions", "slow", f"ATEN_CPU_CAPABILITY={asked}", "Unset ATEN_CPU_CAPABILITY.")
    else:
        yield Finding("torch's instructions", "ok", capability)
    if torch.cuda.is_available():
        yield Finding("GPU", "ok", f'{torch.cuda.get_device_name()}: Microscope.load(..., device="cuda")')
    elif torch.backends.mps.is_available():
        yield Finding("GPU", "ok", 'Apple\'s: Microscope.load(..., device="mps")')
    elif Path("/dev/nvidiactl").exists():
        yield Finding(
            "GPU",
            "slow",
            f"there is one of NVIDIA's, and torch {torch.__version__} does not see it",
            "Install the build of torch for its driver: pytorch.org says which.",
        )
    else:
        yield Finding("GPU", "note", "none: models up to some hundred million weights are quick without")
