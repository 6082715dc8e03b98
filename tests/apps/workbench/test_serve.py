"""What is listened on, what is said of it, and what the command line refuses before anything is loaded."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from scope_widgets._job import Job
from scope_widgets.apps.workbench.serve import check_host, config_of, hosts_of, serve
from scope_widgets.apps.workbench.workspace import Workspace
from scope_widgets.cli import main
from scope_widgets.models import load_estimate
from scope_widgets.models.load_estimate import estimate_load
from tests.support.workbench_server import Page, Served


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_this_machine_needs_nothing(host: str) -> None:
    check_host(host, [])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "lab.example.org", ""])
def test_another_host_needs_a_name_and_says_what_it_means(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"lets other machines reach .* SSH tunnel"):
        check_host(host, [])
    check_host(host, ["lab.example.org:8000"])
    assert main(["ui", "--host", host, "--no-open"]) == 1
    assert "other machines" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "*", "*.example.org", "http://x", "a b", "x/y", "u@x", "a,b"])
def test_what_is_no_name_of_a_host_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="--allowed-host"):
        check_host("127.0.0.1", [name])


def test_only_this_machines_names_and_those_given_are_known() -> None:
    assert hosts_of("0.0.0.0", 5, ["a:1"]) == ["127.0.0.1:5", "localhost:5", "[::1]:5", "a:1"]


@pytest.mark.parametrize("prefix", ["x", "/a/../b", "//evil"])
def test_a_prefix_is_one(tmp_path: Path, prefix: str) -> None:
    workspace = Workspace(tmp_path)
    with pytest.raises(ValueError, match="--root-path"):
        serve(workspace, root_path=prefix)
    workspace.close()


def test_the_server_trusts_no_headers_and_logs_no_requests() -> None:
    config = config_of(None)
    assert not config.proxy_headers
    assert not config.access_log
    assert not config.server_header
    assert not config.ws_per_message_deflate
    assert config.ws_max_size == 2**20


def test_the_command_prints_an_address_that_answers_and_ends_by_ctrl_c(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "scope_widgets.cli",
        "ui",
        "--no-open",
        "--port",
        "0",
        "--workspace",
        str(tmp_path),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        address, _, token = process.stdout.readline().strip().partition("#token=")
        assert httpx.get(f"{address}health", timeout=60).json() == {"status": "ok"}
        bearer = {"Authorization": f"Bearer {token}"}
        assert httpx.get(f"{address}api/v1/whoami", headers=bearer, timeout=60).json()["models"] == ["demo"]
        assert httpx.get(f"{address}api/v1/whoami", timeout=60).status_code == 401
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert token not in out + said
    assert "Traceback" not in said


def test_a_port_that_is_taken_says_so(served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ui", "--port", str(served.port), "--no-open", "--workspace", str(tmp_path)]) == 1
    assert "cannot be listened on" in capsys.readouterr().err
    assert main(["ui", "--port", "70000"]) == 2


@pytest.mark.parametrize("token", ["", "short", "x" * 31, "x" * 201, "secret of 32 characters and more", "é" * 40])
def test_a_token_that_can_be_guessed_is_refused_and_not_repeated(
    token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MICROSCOPE_UI_TOKEN", token)
    assert main(["ui", "--no-open", "--workspace", str(tmp_path)]) == 1
    out, said = capsys.readouterr()
    assert "openssl rand -hex 32" in said
    assert not token or token not in out + said
    assert "MICROSCOPE_UI_TOKEN" not in os.environ  # what is begun from here does not have it


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "'demo' is here: name one that the server has"),
        (["--model", "."], "'.' is here"),
        (["--model", "a/b", "--device", "cpu"], "are the server's choice"),
    ],
)
def test_what_a_server_elsewhere_does_not_take_is_said_at_once(
    given: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ui", "--no-open", "--workspace", str(tmp_path / "files"), *given, "--remote"]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "files").exists()


def test_a_model_that_is_not_there_ends_the_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["ui", "--no-open", "--model", str(tmp_path / "none"), "--workspace", str(tmp_path / "files")]
    assert main(given) == 1
    out, said = capsys.readouterr()
    assert "#token=" in out  # it could be reached meanwhile
    assert "none" in said
    assert "Traceback" not in said


def test_the_server_is_there_before_what_models_need() -> None:
    code = (
        "import sys, scope_widgets.apps.workbench.serve as s; "
        "print([one for one in ('torch', 'transformers', 'ipywidgets', 'pandas') if one in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_memory_is_estimated_before_a_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, served: Served) -> None:
    demo = estimate_load("demo")
    assert demo.fits
    assert demo.weights == sum(one.stat().st_size for one in load_estimate.DEMO.glob("*.safetensors"))
    (tmp_path / "model").mkdir()
    with pytest.raises(ValueError, match="holds no weights"):
        estimate_load(tmp_path / "model")
    huge = served.workspace.files.folder / "huge"
    huge.mkdir()
    with (huge / "model.safetensors").open("wb") as sparse:
        sparse.truncate(10**9)
    monkeypatch.setattr(load_estimate, "free_host_memory", lambda: 10**9)
    (huge / "config.json").write_text("{}")
    estimate = served.workspace.estimate("huge")
    assert not estimate.fits
    assert "unload another model" in estimate.advice
    with pytest.raises(ValueError, match="is not loaded: it takes about"):
        Job(served.workspace.load("huge")).result(progress=False)


def test_a_model_of_the_workspace_is_loaded_and_forgotten(served: Served) -> None:
    shutil.copytree(load_estimate.DEMO, served.workspace.files.folder / "mine", dirs_exist_ok=True)
    scope: Any = Job(served.workspace.load("mine")).result(progress=False)
    assert served.workspace.scope("mine") is scope
    with pytest.raises(ValueError, match="no index of features"):
        served.workspace.index(scope)
    page = Page(served, "page-that-shows-it").opened()
    page.ask("model", model="mine")
    page.until(lambda: page.models["page"]["sides"]["a"]["model"] == "mine")
    served.workspace.kernel.call(served.workspace.unload_idle)
    assert served.workspace.scope("mine") is scope  # somebody looks at it
    page.ask("model", model="demo")
    served.workspace.kernel.call(served.workspace.unload_idle)
    page.close()
    with pytest.raises(KeyError, match="not loaded"):
        served.workspace.scope("mine")
    with pytest.raises(ValueError, match="it stays"):
        served.workspace.unload("demo")


def test_answers_are_sent_at_once() -> None:
    """asyncio sets TCP_NODELAY only where a socket says that it is of TCP; 40 ms an answer otherwise."""
    import socket

    from scope_widgets.apps.workbench.serve import _listen

    with _listen("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP
