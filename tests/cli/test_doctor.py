"""`microscope doctor`: what is found, what is missing, and what to do about each."""

import json
from importlib import import_module, metadata
from types import SimpleNamespace

import pytest

from scope_widgets._kernels import _compiled
from scope_widgets._version import __version__
from scope_widgets.cli import main
from scope_widgets.cli.installation import hosts, packages, speed
from scope_widgets.widgets.core import bundle

#: modules; the packages' names are those of their functions
of_hosts, of_packages, of_speed = (
    import_module(f"scope_widgets.cli.installation.{name}") for name in ("hosts", "packages", "speed")
)


def states(found):
    return {one.about: one.state for one in found}


def test_this_installation_works_as_text_and_as_json(capsys):
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if not line.startswith(" ")] == ["Packages", "", "Speed", "", "Hosts"]
    assert f"scope-widgets: {__version__} in " in said
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["works"]
    for room in ("packages", "speed", "hosts"):
        assert found[room]
        for one in found[room]:
            assert one["found"]
            assert one["state"] == "ok" or one["do"].endswith(".") or one["about"] == "GPU"


def test_what_is_missing_or_too_old_is_said_with_what_to_do(monkeypatch, capsys):
    needed = [
        "torch>=2.4",
        "numpy>=999",
        "no-such-package>=1.2",
        "pyarrow>=15; extra == 'features'",
        "x; extra == 'ui'",
    ]
    monkeypatch.setattr(metadata, "requires", lambda name: needed)
    found = {one.about: one for one in packages()}
    assert found["torch"].state == "ok"
    assert found["numpy"].state == found["no-such-package"].state == "missing"
    assert found["numpy"].found.endswith(">=999 is needed")
    assert found["no-such-package"].do == "Install it: pip install 'no-such-package>=1.2'."
    assert found["extra ui"].do == "For the workbench in a browser: microscope ui: pip install 'scope-widgets[ui]'."
    assert "ray" not in str(found)
    assert main(["doctor"]) == 1
    assert "numpy, no-such-package: without this not everything works" in capsys.readouterr().err


def test_sources_that_are_not_installed(monkeypatch):
    def unknown(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", unknown)
    assert states(packages())["dependencies"] == "note"


@pytest.mark.parametrize(
    ("n_threads", "n_cores", "state", "do"),
    [
        (8, 8, "ok", ""),
        (4, 8, "ok", ""),
        (1, 8, "slow", "Unset OMP_NUM_THREADS"),
        (64, 2, "slow", "Set OMP_NUM_THREADS=2"),
    ],
)
def test_threads_and_processors(n_threads, n_cores, state, do, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    (found,) = of_speed._threads(n_threads, n_cores)
    assert (found.state, found.do[: len(do)]) == (state, do)


@pytest.mark.parametrize(
    ("quota", "most"), [("max 100000", None), ("150000 100000", 2), ("50000 100000", 1), ("x", None)]
)
def test_a_container_has_a_share_of_the_processors(quota, most, tmp_path, monkeypatch):
    monkeypatch.setattr(of_speed, "_QUOTA", tmp_path / "cpu.max")
    here = of_speed.cores()
    (tmp_path / "cpu.max").write_text(quota)
    assert of_speed.cores() == (here if most is None else min(here, most))


def test_compiled_modules_that_are_missing_or_slow(monkeypatch):
    for name in ("statistics", "ranking", "display"):
        monkeypatch.setattr(_compiled, name, None)
    monkeypatch.setattr(_compiled, "MISSING", "no such file")
    (found,) = of_speed._kernels()
    assert found.state == "slow"
    assert "without statistics, ranking, display" in found.found
    assert "(no such file)" in found.found
    monkeypatch.setattr(_compiled, "MISSING", "")
    for build, slow in [
        ({"lanes": 8, "clones": True, "threads": True}, []),
        ({"lanes": 1, "clones": False, "threads": True}, ["compiled modules"]),
        ({"lanes": 8, "clones": False, "threads": False}, ["threads of compiled modules"]),
    ]:
        for name in ("ranking", "display", "codes", "autoencoder", "neighbours"):
            monkeypatch.setattr(_compiled, name, SimpleNamespace())
        monkeypatch.setattr(_compiled, "statistics", SimpleNamespace(BUILD=build))
        assert [one.about for one in of_speed._kernels() if one.state == "slow"] == slow


def test_torch_that_does_not_see_the_instructions(monkeypatch):
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "DEFAULT")
    assert states(speed())["torch's instructions"] == "slow"


def test_hosts_and_what_they_lack(monkeypatch, tmp_path):
    versions = {"jupyterlab": "3.6.1", "notebook": "7.2.0", "ipykernel": "6.0", "anywidget": "0.9.13", "marimo": "0.1"}
    monkeypatch.setattr(of_hosts, "version_of", versions.get)
    monkeypatch.setattr(of_hosts, "data_folders", lambda: [tmp_path])
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    found = states(hosts())
    assert (found["JupyterLab"], found["Notebook"], found["marimo"]) == ("note", "ok", "note")
    assert found["anywidget in JupyterLab"] == found["jupyterlab_widgets in JupyterLab"] == "missing"
    assert found["kernel for VS Code and Jupyter"] == found["messages of a Jupyter server"] == "note"
    for folder in (*of_hosts.EXTENSIONS, of_hosts.NBEXTENSION):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "jupyter_server_config.py").write_text(
        f'c.ServerApp.kernel_websocket_connection_class = "{of_hosts._PROMPT}"'
    )
    found = states(hosts())
    assert not [name for name, state in found.items() if state == "missing" and "JupyterLab" in name]
    assert found["kernel for VS Code and Jupyter"] == "ok"
    assert "messages of a Jupyter server" not in found
    monkeypatch.setattr(of_hosts, "version_of", lambda name: None)
    assert states(hosts())["JupyterLab"] == "note"


def test_a_build_without_the_browser_half(monkeypatch, tmp_path):
    monkeypatch.setattr(bundle, "STATIC", tmp_path)
    (found,) = (one for one in hosts() if one.about == "browser half of the views")
    assert found.state == "missing"
    assert "attention_view" in found.found
    assert "Node 20" in found.do
