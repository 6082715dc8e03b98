"""One workspace with its API that the tests here share; each leaves it without patches."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("fastapi", reason="The extra [ui] is not installed.")

from scope_widgets.widgets.core.bundle import STATIC
from tests.support.workbench_api import Spoken, spoken


@pytest.fixture(scope="session")
def _spoken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spoken]:
    if not (STATIC / "workbench.js").exists():
        pytest.skip("The bundles are not built; run `make build`.")
    with spoken(tmp_path_factory.mktemp("workspace")) as api:
        yield api


@pytest.fixture
def api(_spoken: Spoken) -> Iterator[Spoken]:
    yield _spoken
    for patch in _spoken.http.get("/api/v1/patches").json()["items"]:
        _spoken.http.delete(f"/api/v1/patches/{patch['id']}")
