"""Devices, and types of numbers, that are named by whoever calls: tried before anything is moved to them."""

from __future__ import annotations

from typing import Any

import torch


def checked_device(given: Any) -> torch.device:
    """Return a device.

    Raises
    ------
    ValueError
        Where this machine has none of that name.

    Examples
    --------
    >>> checked_device("cpu")
    device(type='cpu')
    """
    try:
        device = torch.device(given)
        torch.empty(1, device=device)
    except (TypeError, RuntimeError, AssertionError) as error:  # torch has all of them
        why = str(error).splitlines()[0][:200]
        raise ValueError(f"device={str(given)[:100]!r} is none of this machine's, such as 'cpu': {why}") from None
    return device


def check_dtype(given: Any) -> None:
    """Raise ValueError for what names no type of numbers of torch.

    Examples
    --------
    >>> check_dtype("bfloat16")
    """
    named = getattr(torch, given, None) if isinstance(given, str) else given
    if not isinstance(named, torch.dtype):
        raise ValueError(
            f"dtype={str(given)[:100]!r} names no type of numbers: give 'float32', 'bfloat16' or 'float16', or one of "
            "torch, such as torch.bfloat16."
        )
