"""A server on the demo model that the tests here share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="The extra [ui] is not installed.")

from scope_widgets.widgets.core.bundle import STATIC
from tests.support import workbench_server


@pytest.fixture(autouse=True)
def no_running_loop() -> Iterator[None]:
    """Begin without an event loop: a browser that tests before have left open in this process runs one."""
    before = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(before)


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if not (STATIC / "workbench.js").exists():
        pytest.skip("The bundles are not built; run `make build`.")
    with workbench_server.served(tmp_path_factory.mktemp("workspace")) as server:
        yield server
