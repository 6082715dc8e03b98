"""Files that were written when options, fields and classes had other names still load; former calls work and warn."""

import numpy as np
import pytest

from scope_widgets import editing, steering
from tests.support.paths import ROOT

FILES = ROOT / "tests" / "fixtures" / "former_names"
ARGUMENTS = {"layer": 3, "positive": ["the dogs", "the cats"], "negative": ["the dog", "the cat"], "name": "plural"}


@pytest.fixture(scope="module")
def found(demo):
    return steering.direction(demo, **ARGUMENTS)


def test_a_direction(demo, found):
    loaded = steering.Direction.load(FILES / "direction.safetensors")
    from_json = steering.Direction.from_json((FILES / "direction.json").read_text())
    for one in (loaded, from_json):
        assert one.recipe == found.recipe
        assert "positions='last'" in one.code()
        assert (one.name, one.layer, one.provenance.model) == ("plural", 3, "demo")
        np.testing.assert_allclose(one.vector, found.vector, atol=1e-5)
        one.check(demo)


def test_a_feature_patch(demo, found):
    loaded = editing.FeaturePatch.load(demo, FILES / "feature_patch")
    made = editing.FeaturePatch(demo, found, strength=-0.5)
    assert (loaded.target, loaded.strength) == (made.target, made.strength)
    np.testing.assert_allclose(loaded.input_vector, made.input_vector, atol=1e-4)
    np.testing.assert_allclose(loaded.output_vector, made.output_vector, atol=1e-5)


def test_results():
    swept = steering.StrengthSweep.from_json((FILES / "sweep.json").read_text())
    assert swept.strengths.tolist() == [-0.1, 0, 0.1]
    effect = editing.FactEffect.from_json((FILES / "fact_effect.json").read_text())
    assert (effect.answer, effect.kinds) == ("Anna", ["prompt", "neighbour"])


def test_former_ways_warn(demo, found):
    with pytest.warns(DeprecationWarning, match="positions="):
        assert steering.AddDirection(found, 0.1, at="last").positions == "last"
    with pytest.warns(DeprecationWarning, match="positions="):
        assert steering.SwapAttention.of(demo, "the dogs", 1, 0, at=(0, 1)).positions == (0, 1)
    with pytest.warns(DeprecationWarning, match="positions="):
        steering.direction(demo, **ARGUMENTS, position="mean")
    with pytest.warns(DeprecationWarning, match="strength="):
        assert editing.FeaturePatch(demo, found, -0.5).strength == -0.5
    listed = steering.steer(demo, [steering.ScaleHead(3, 1)])
    with pytest.warns(DeprecationWarning, match=r"steer\(scope, \*interventions\)"), listed:
        pass
    with pytest.warns(DeprecationWarning, match=r"scope_widgets\.editing\.FeaturePatch"):
        assert steering.FeaturePatch is editing.FeaturePatch
