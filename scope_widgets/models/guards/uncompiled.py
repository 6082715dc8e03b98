"""`uncompiled`: a graph of torch.compile knows nothing of hooks that came later, so it must not run with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from scope_widgets.models.guards.locks import held
from scope_widgets.models.guards.restore_on_exit import putting_back, with_block


class _Stance:
    """The compiler's stance, of which the process has one: blocks of two threads may cross."""

    def __init__(self) -> None:
        self._inside: set[object] = set()
        self._eager: Any = None

    def begin(self, one: object) -> None:
        with held(self):
            self._inside.add(one)
            if self._eager is None:
                self._eager = torch.compiler.set_stance("force_eager")

    def end(self, one: object) -> None:
        with held(self):
            self._inside.discard(one)
            if not self._inside and self._eager is not None:
                self._eager.__exit__(None, None, None)
                self._eager = None


_stance = _Stance()


@with_block
def uncompiled() -> Iterator[None]:
    """Let compiled modules and functions run as they were written while a `with` block runs, in every thread.

    Nothing is compiled meanwhile either: what is compiled with hooks would keep them.
    """
    one = object()
    with putting_back() as back:
        back.later(_stance.end, one)
        _stance.begin(one)
        yield
