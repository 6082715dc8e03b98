"""Whether bytes are a pickle, of any protocol: told by reading what it would do, and doing nothing of it."""

from __future__ import annotations

import pickletools
from typing import Any

#: how pickles from protocol 2 on begin
_BEGINS = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
#: what calls something
_CALLS = {"INST", "REDUCE", "OBJ", "NEWOBJ", "NEWOBJ_EX", "BUILD", "EXT1", "EXT2", "EXT4"}
#: instructions after which no text or array is meant any more
_MOST = 10_000


def is_pickle(data: bytes) -> bool:
    r"""Return whether bytes are a pickle that calls something, or a whole one; protocols 0 and 1 have no first bytes.

    A text is none: it soon has a letter that is no instruction, or one that needs more than is there.

    Examples
    --------
    >>> is_pickle(b"cos\nsystem\n(S'ls'\ntR.")
    True
    >>> is_pickle(b"cos\nsystem\nand other words")
    False
    """
    if data.startswith(_BEGINS):
        return True
    stack: list[bool] = []  # whether each is a mark
    memo: set[Any] = set()
    try:
        for n, (op, arg, at) in enumerate(pickletools.genops(data)):
            if not _goes_on(op, arg, stack, memo):
                return False
            if op.name in _CALLS or n > _MOST:
                return True
            if op.name == "STOP":
                return not data[(at or 0) + 1 :].strip()
    except (ValueError, OverflowError):
        return False
    return False


def _goes_on(op: Any, arg: Any, stack: list[bool], memo: set[Any]) -> bool:
    """Do to the stack what an instruction does; return whether there was what it needs."""
    before, after = op.stack_before, op.stack_after
    pops = len(before)
    if pickletools.markobject in before:
        if True not in stack:
            return False
        del stack[len(stack) - 1 - stack[::-1].index(True) :]
        pops = before.index(pickletools.markobject)
    if op.name in ("GET", "BINGET", "LONG_BINGET") and arg not in memo:
        return False
    if op.name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
        if not stack or stack[-1]:
            return False
        memo.add(len(memo) if op.name == "MEMOIZE" else arg)
    if op.name == "GLOBAL" and not all(part.isidentifier() for part in arg.replace(" ", ".").split(".")):
        return False
    if len(stack) < pops:
        return False
    del stack[len(stack) - pops :]
    stack.extend(one is pickletools.markobject for one in after)
    return True
