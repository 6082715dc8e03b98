"""The page of the API's documentation in a real browser, under the policy of the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="The extra [ui] is not installed.")

from tests.support.workbench_server import served


def test_it_lists_every_operation_and_takes_the_token_out_of_the_address(browser_page: Any, tmp_path: Path) -> None:
    with served(tmp_path) as server:
        browser_page.goto(f"http://{server.host}/api/v1/docs#token={server.token}")
        browser_page.locator("summary", has_text="/api/v1/inference").first.click()
        assert "openapi.json" in browser_page.inner_text("#said")
        assert browser_page.locator("summary code").count() >= 45
        assert browser_page.url == f"http://{server.host}/api/v1/docs"
