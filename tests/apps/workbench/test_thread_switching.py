"""The interval in which threads take turns is small while a server is there, and as before afterwards."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from scope_widgets.apps.workbench import thread_switching
from scope_widgets.apps.workbench.app import create_app
from scope_widgets.apps.workbench.thread_switching import SWITCH_S, frequent_switches
from scope_widgets.apps.workbench.workspace import Workspace
from scope_widgets.widgets.core.bundle import STATIC


@pytest.fixture
def before(monkeypatch: pytest.MonkeyPatch) -> Iterator[float]:
    monkeypatch.setattr(thread_switching, "_servers", 0)  # other tests of this process have one that goes on
    found = sys.getswitchinterval()
    sys.setswitchinterval(0.004)
    monkeypatch.setattr(thread_switching, "_before", 0.004)
    yield 0.004
    sys.setswitchinterval(found)


@pytest.mark.parametrize("order", itertools.permutations(range(3)))
def test_the_last_server_puts_back_what_was_before_the_first(order: tuple[int, ...], before: float) -> None:
    servers = [ExitStack() for _ in order]
    for server in servers:
        server.enter_context(frequent_switches())
    for at in order:
        assert sys.getswitchinterval() == pytest.approx(SWITCH_S)
        servers[at].close()
    assert sys.getswitchinterval() == pytest.approx(before)


def test_a_server_that_fails_counts_no_longer(before: float) -> None:
    with pytest.raises(RuntimeError), frequent_switches():
        raise RuntimeError
    assert sys.getswitchinterval() == pytest.approx(before)


def test_applications_that_end_in_the_order_they_began(tmp_path: Path, before: float) -> None:
    if not (STATIC / "workbench.js").exists():
        pytest.skip("The bundles are not built; run `make build`.")
    servers = [ExitStack() for _ in range(2)]
    for server in servers:
        workspace = Workspace(tmp_path)
        server.callback(workspace.close)
        server.enter_context(TestClient(create_app(workspace, token="t", hosts=["h"])))
        assert sys.getswitchinterval() == pytest.approx(SWITCH_S)
    servers[0].close()
    assert sys.getswitchinterval() == pytest.approx(SWITCH_S)
    servers[1].close()
    assert sys.getswitchinterval() == pytest.approx(before)
