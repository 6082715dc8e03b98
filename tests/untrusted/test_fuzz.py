"""Damaged files, answers, messages and traits: each is taken, or refused in a sentence, and asks for little."""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from tests.support.forked import Forked
from tests.support.fuzz import fuzz_groups
from tests.support.paths import ROOT

#: groups of formats
GROUPS = ("traces", "others", "remote", "models", "saes", "views")


def fuzz(group, *options):
    """Run them in a process of their own, and return its report."""
    command = [sys.executable, "-m", "tests.support.fuzz", "--only", group, *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout[done.stdout.index('{\n "tried"') :])


def check(report):
    assert report["failures"] == []
    assert report["left"] == []
    assert report["tried"] == report["taken"] + report["refused"]
    assert report["bytes"] < 1_000_000_000
    assert report["seconds"] < 10  # of the processor


def test_a_few_of_each_format(demo):
    check(Forked(lambda: fuzz_groups(demo, GROUPS, None, 0)).result())


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("group", [*GROUPS, "results"])
def test_five_hundred_of_each_format(group):
    check(fuzz(group, "--flips", "500", "--seed", "1"))


def test_the_same_seed_makes_the_same_damage():
    import random

    from tests.support.mutations import damaged_bytes, damaged_json

    whole = json.dumps({"a": [1, 2, {"b": "text"}], "c": 1.5})
    for damage in (lambda draw: damaged_json(whole, draw), lambda draw: damaged_bytes(whole.encode(), draw)):
        made = Counter(damage(random.Random(f"{i}")) for i in range(50))
        assert made == Counter(damage(random.Random(f"{i}")) for i in range(50))
        assert len(made) > 30
