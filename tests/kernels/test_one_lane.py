"""The kernels of one lane, which Windows has, agree with the references as those of this machine do."""

import os
import subprocess
import sys

from scope_widgets._kernels import _compiled
from scripts import one_lane
from tests.support.paths import ROOT

IN_ONE_LANE = os.environ.get("SCOPE_LANES") == "1"
#: those of which all tests are of compiled modules; `make test-one-lane` runs the others too
FILES = [f"tests/kernels/test_{name}.py" for name in ("one_lane", "kernels", "codes", "autoencoder")]


def test_it_is_these_kernels_that_are_tested():
    if IN_ONE_LANE:
        assert _compiled.statistics.BUILD["lanes"] == 1
        assert not _compiled.statistics.BUILD["clones"]


def test_every_test_of_kernels_passes_in_one_lane(tmp_path):
    if IN_ONE_LANE:
        return
    folder = one_lane.build(tmp_path / "one_lane", "-O0")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", f"pythonpath={folder} ."]
    done = subprocess.run(
        [*command, *FILES], cwd=ROOT, env={**os.environ, "SCOPE_LANES": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
