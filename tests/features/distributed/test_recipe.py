"""A model is loaded anew by the call that loaded it, or the reason why not is said."""

import pytest

from scope_widgets import Microscope
from scope_widgets.features import distributed
from scope_widgets.features.distributed.recipe import recipe_of
from scope_widgets.features.distributed.workers import mapped


def test_the_recipe_loads_the_model_again():
    scope = Microscope.load("demo", dtype="float32")
    assert recipe_of(scope) == {"name": "demo", "dtype": "float32"}
    assert recipe_of(scope, dtype="bfloat16", device="cpu") == {"name": "demo", "dtype": "bfloat16", "device": "cpu"}
    assert Microscope.load(**recipe_of(scope)).model_id == scope.model_id


def test_a_folder_is_named_by_its_whole_path(tmp_path, monkeypatch):
    scope = Microscope.load("demo")
    (tmp_path / "saved").mkdir()
    scope.model.save_pretrained(tmp_path / "saved")
    scope.tokenizer.save_pretrained(tmp_path / "saved")
    monkeypatch.chdir(tmp_path)
    assert recipe_of(Microscope.load("saved")) == {"name": str(tmp_path / "saved")}


def test_a_model_that_was_given_is_refused():
    scope = Microscope.load("demo")
    given = Microscope.for_model(scope.model, scope.tokenizer)
    with pytest.raises(ValueError, match=r"Each worker loads the model by its name.*save it, and load it from its"):
        recipe_of(given)


@pytest.mark.parametrize("options", [(0, 1, 0), (2, 0, 0), (2.5, 1, 0), (2, 1, "all"), (2, 1, -1)])
def test_numbers_of_workers_are_checked(options):
    with pytest.raises(ValueError, match=r"(workers|cpus|gpus)= is a (whole number from 1|number above 0); got"):
        list(mapped(dict, {}, [{}], *options))


@pytest.mark.parametrize("load", [3, {3: 4}, {"devise": "cuda"}])
def test_what_workers_load_with_is_checked(tmp_path, load):
    with pytest.raises(TypeError, match=r"load= has arguments of Microscope\.load"):
        distributed.record(Microscope.load("demo"), ["a text"], layers=2, folder=tmp_path, load=load)
