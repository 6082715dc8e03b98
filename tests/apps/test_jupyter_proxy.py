"""What jupyter-server-proxy is told starts a workbench that answers as the proxy asks."""

from __future__ import annotations

import os
import socket
import subprocess
from importlib.metadata import EntryPoint
from pathlib import Path

import httpx
import pytest

from scope_widgets.apps import jupyter_proxy
from scope_widgets.widgets.core.bundle import STATIC
from tests.support.paths import ROOT

pytest.importorskip("fastapi", reason="The extra [ui] is not installed.")

BASE = "/user/ann/"


def test_it_is_the_entry_point_of_the_package() -> None:
    named = f'{jupyter_proxy.NAME} = "scope_widgets.apps.jupyter_proxy:workbench"'
    assert f"[project.entry-points.jupyter_serverproxy_servers]\n{named}\n" in (ROOT / "pyproject.toml").read_text()
    point = EntryPoint(jupyter_proxy.NAME, named.split('"')[1], "jupyter_serverproxy_servers")
    assert point.load()()["new_browser_tab"]  # the page is not to be framed


def test_each_of_jupyters_servers_has_a_token_of_its_own_that_is_no_argument() -> None:
    first, second = jupyter_proxy.workbench(), jupyter_proxy.workbench()
    token = first["environment"]["MICROSCOPE_UI_TOKEN"]
    assert token != second["environment"]["MICROSCOPE_UI_TOKEN"]
    assert first["launcher_entry"]["path_info"] == f"microscope/#token={token}"
    assert token not in " ".join(first["command"])


@pytest.mark.skipif(not (STATIC / "workbench.js").exists(), reason="The bundles are not built; run `make build`.")
def test_its_command_serves_below_the_prefix(tmp_path: Path) -> None:
    given = jupyter_proxy.workbench()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    filled = {"port": port, "base_url": BASE}
    command = [one.format(**filled) for one in given["command"]]
    headers = {name: one.format(**filled) for name, one in given["request_headers_override"].items()}
    environment = {**os.environ, **given["environment"], "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == f"http://127.0.0.1:{port}{BASE}microscope/\n"  # without the token
            token = given["environment"]["MICROSCOPE_UI_TOKEN"]
            bearer = {**headers, "Authorization": f"Bearer {token}"}
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
                assert http.get("/", headers=headers).status_code == 200
                for prefix in ("", f"{BASE}microscope"):  # the proxy takes it off, others may not
                    assert http.get(f"{prefix}/api/v1/whoami", headers=headers).status_code == 401
                    assert http.get(f"{prefix}/api/v1/whoami", headers=bearer).json()["models"] == ["demo"]
                assert http.get("/health", headers={"Host": "hub.example.org"}).status_code == 421
        finally:
            process.terminate()
            process.communicate(timeout=60)
    assert (tmp_path / "workbench").is_dir()
