"""Tests beside the real NDIF server that `make test-remote` starts; without it they are skipped."""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BESIDE_A_SERVER = os.environ.get("NDIF_HOST", "").startswith("http://127.0.0.1:")
if BESIDE_A_SERVER and "huggingface_hub" not in sys.modules:
    os.environ.pop("HF_HUB_OFFLINE", None)  # the hub is on loopback too

from scripts import get_smollm2  # noqa: E402

SMOLLM2 = get_smollm2.folder() if get_smollm2.ready() else None  # by SCOPE_WIDGETS_CACHE as it is outside of `answers`


def pytest_collection_modifyitems(items):
    ours = [item for item in items if HERE in item.path.parents]
    for item in ours:
        item.add_marker("remote")
        if not BESIDE_A_SERVER:
            item.add_marker(pytest.mark.skip(reason="No NDIF server on loopback (NDIF_HOST): run make test-remote."))
        elif os.environ.get("HF_HUB_OFFLINE"):
            item.add_marker(pytest.mark.skip(reason="The hub is switched off here: run tests/remote by itself."))
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


@pytest.fixture(scope="session", autouse=BESIDE_A_SERVER)
def answers(tmp_path_factory):
    """Keep answers in a folder of this run: those of another would hide what is tested."""
    folder = tmp_path_factory.mktemp("answers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCOPE_WIDGETS_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def smollm2_folder():
    """SmolLM2 as it is kept outside the repository."""
    if SMOLLM2 is None:
        pytest.skip("SmolLM2 is not on this machine: scripts/get_smollm2.py fetches it.")
    return SMOLLM2


@pytest.fixture(scope="session")
def remote():
    """The demo model on the server."""
    from scope_widgets import Microscope

    scope = Microscope.load("demo/ioi", remote=True, timeout=120)
    scope.listener = lambda status: None
    return scope


@pytest.fixture(scope="session")
def local():
    """The same model on this machine, under the same name."""
    from scope_widgets import Microscope

    demo = Microscope.load("demo")
    return Microscope.for_model(demo.model, demo.tokenizer, "demo/ioi")


def pytest_terminal_summary(terminalreporter):
    distances = sys.modules.get("tests.support.result_distance")
    if distances and distances.found:
        worst = max(distances.found, key=distances.found.get)
        terminalreporter.write_line(f"Remote against local: at most {distances.found[worst]:.1e}, in {worst}.")
