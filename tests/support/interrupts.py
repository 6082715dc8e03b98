"""Ctrl-C at a chosen line, and all that a broken call could leave behind."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import nnsight
import torch
from torch import nn

import scope_widgets
from scope_widgets.models.attention import attention_function as attention_function
from scope_widgets.models.guards.locks import lock_of

#: a line of a file, and how often it was run before
Place = tuple[str, int, int]

#: whose lines are interrupted
OURS = str(Path(scope_widgets.__file__).parent) + os.sep
NNSIGHT = str(Path(nnsight.__file__).parent) + os.sep

_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_backward_hooks",
    "_backward_pre_hooks",
)


class _Lines:
    """A trace function that counts the lines that run, and raises KeyboardInterrupt at one of them, once."""

    def __init__(self, folders: tuple[str, ...], at: Place | None = None) -> None:
        # only the frames of that line's file are followed: nearly all of the time goes into others
        self.folders, self.at = (at[0],) if at else folders, at
        self.seen: Counter[tuple[str, int]] = Counter()
        self.raised = False
        self._followed: dict[str, bool] = {}

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        file = frame.f_code.co_filename
        if (followed := self._followed.get(file)) is None:
            followed = self._followed[file] = file.startswith(self.folders)
        if not followed:
            return None
        if event == "line" and not self.raised:
            where = frame.f_code.co_filename, frame.f_lineno
            if self.at == (*where, self.seen[where]):
                self.raised = True
                raise KeyboardInterrupt
            self.seen[where] += 1
        return self


def lines_of(work: Callable[[], Any], folders: tuple[str, ...] = (OURS,)) -> list[Place]:
    """Return the lines that `work` runs, each at its first, second and last time."""
    lines = _Lines(folders)
    before = sys.gettrace()
    sys.settrace(lines)
    try:
        work()
    finally:
        sys.settrace(before)
    return [(*where, at) for where, n in lines.seen.items() for at in sorted({0, min(1, n - 1), n - 1})]


def interrupted_at(place: Place, work: Callable[[], Any]) -> BaseException | None:
    """Run `work` with a KeyboardInterrupt at a line, and return what it raised, with its traceback, or None."""
    lines = _Lines((), place)
    before = sys.gettrace()
    sys.settrace(lines)
    try:
        work()
    except BaseException as error:
        return error
    finally:
        sys.settrace(before)
    return None


def interrupted_after(seconds: float, work: Callable[[], Any]) -> BaseException | None:
    """Run `work` with a real SIGINT some time after its beginning, and return what it raised."""
    arrived = []

    def handler(number: int, frame: Any) -> None:
        arrived.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, handler)
    alarm = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            work()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt as error:
        return error
    finally:
        left = signal.getsignal(signal.SIGINT)
        signal.signal(signal.SIGALRM, alarm)
        signal.signal(signal.SIGINT, before)
        if left is not handler:
            raise AssertionError(f"the handler of SIGINT is {left}")
    return None


class State:
    """Everything about a model and the process that a call changes for a while."""

    def __init__(self, scope: Any) -> None:
        self._scope = scope
        self._weights = {name: value.clone() for name, value in scope.model.state_dict().items()}
        self._before = self._now()

    def left(self) -> list[str]:
        """Return what is not as it was."""
        now = self._now()
        found = [name for name, value in self._before.items() if now[name] != value]
        weights = self._scope.model.state_dict()
        return found + [name for name, value in self._weights.items() if not torch.equal(weights[name], value)]

    def strange(self) -> list[str]:
        """Return what no model has that nobody has touched."""
        now = self._now()
        hooks = [name for hooks in now["hooks"] for one in hooks for name in one]
        own = [name for names in now["names"] for name in names if name == "forward" or "nnsight" in name]
        return [*map(str, hooks), *own, *(["attention"] if attention_function.NAME in now["attention"] else [])]

    def _now(self) -> dict[str, Any]:
        model, tokenizer = self._scope.model, self._scope.tokenizer
        modules = list(model.modules())
        configs = {id(one.config): one.config for one in modules if hasattr(one, "config")}
        return {
            "hooks": [[dict(getattr(one, name)) for name in _HOOKS] for one in modules],
            "attributes": [{k: id(v) for k, v in vars(one).items() if not k.startswith("_")} for one in modules],
            "names": [sorted(vars(one)) for one in modules],
            "parameters": [{k: id(v) for k, v in one._parameters.items()} for one in modules],
            "attention": [one._attn_implementation for one in configs.values()],
            "gradients": torch.is_grad_enabled(),
            "handler": signal.getsignal(signal.SIGINT),
            "lock": lock_of(model)._is_owned(),
            "tokenizer": (tokenizer.pad_token, tokenizer.padding_side),
            "function modes": torch._C._len_torch_function_stack(),
            "attention hook": attention_function.running_hooks(),
            "stance": torch._dynamo.eval_frame._stance.stance,
            "forward class": nn.Module.__call__,
        }
