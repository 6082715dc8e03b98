"""Options as they were given before: by position, or under a former name."""

import inspect
import warnings

import pytest

from scope_widgets import Microscope, heads, lens
from scope_widgets._aliases import former_options


@former_options("n", "seed", k="n")
def top(scores, *, n=5, seed=0):
    return scores, n, seed


def test_former_ways_work_and_warn():
    for args, options, names in [((1, 2), {}, ["n"]), ((1, 2, 3), {}, ["n", "seed"]), ((1,), {"k": 2}, ["n"])]:
        with pytest.warns(DeprecationWarning, match="by that name") as said:
            assert top(*args, **options) == (1, 2, 3 if len(args) == 3 else 0)
        assert [str(one.message).split("takes ")[1].split("=")[0] for one in said] == names
        assert said[0].filename == __file__


def test_todays_way_is_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert top(1, n=2) == top(scores=1, n=2) == (1, 2, 0)
    assert list(inspect.signature(top).parameters) == ["scores", "n", "seed"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_option_given_twice_or_unknown_is_refused():
    for args, options in [((1, 2), {"n": 3}), ((1,), {"k": 2, "n": 3}), ((1, 2), {"k": 3})]:
        with pytest.raises(TypeError, match=r"top\(\) got n= twice"):
            top(*args, **options)
    for args, options in [((1, 2, 3, 4), {}), ((1,), {"m": 2})]:
        with pytest.raises(TypeError, match="top"):
            top(*args, **options)


def test_analyses_take_options_as_before():
    scope = Microscope.load("demo")
    trace = scope.trace("When Mary and John went to the store")
    with pytest.warns(DeprecationWarning, match=r"top_attended\(\) takes n= by that name"):
        assert heads.top_attended(trace, 0, k=2).positions.shape[-1] == 2
    with pytest.warns(DeprecationWarning, match=r"logit_lens\(\) takes n= by that name"):
        assert lens.logit_lens(trace, k=2).top_ids.shape[-1] == 2
    with pytest.warns(DeprecationWarning, match=r"direct_logit_attribution\(\) takes answer="):
        assert lens.direct_logit_attribution(trace, " Mary").answer == ["Mary"]
