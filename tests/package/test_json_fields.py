"""Fields of results as JSON: what is of another type is said, and no number becomes another one."""

from typing import Any, Literal

import numpy as np
import pytest

from scope_widgets._json_fields import decode, encode
from scope_widgets._untrusted import array, parse_json


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_largest_numbers_stay_and_larger_ones_are_refused(dtype):
    values = np.array([np.finfo(dtype).max, -np.finfo(dtype).max, np.inf, -np.inf, np.nan, np.finfo(dtype).tiny], dtype)
    np.testing.assert_array_equal(array(encode(values)), values)
    if dtype != "float64":
        for number in (1e300, -1e300, 2 * float(np.finfo(dtype).max)):
            with pytest.raises(ValueError, match=f"an array of {dtype} holds a number that is too large"):
                array({"dtype": dtype, "shape": [3], "values": ["inf", number, None]})
    with pytest.raises(ValueError, match="an array of float16 holds a number that is too large"):
        array({"dtype": "float16", "shape": [], "values": [70_000]})


@pytest.mark.parametrize("text", ['"a \ud800"', '{"\udfff": 1}', '["\\ud800"]'])
def test_half_characters_are_found_escaped_or_not(text):
    with pytest.raises(ValueError, match="half a character"):
        parse_json(text)


def test_a_number_is_one_number():
    for number in (np.float32(0.25), np.int8(3), float("inf")):
        assert decode(encode(np.array(number)), float) == number
    for other in (np.array(True), np.array([0.5]), np.zeros((0,))):
        with pytest.raises(ValueError, match=r"x is an array of (bool|float64) of shape \[.*\] and no number"):
            decode(encode(other), float, "x")


@pytest.mark.parametrize(
    ("value", "hint", "sentence"),
    [
        ("c", Literal["a"], "x is 'c' and no a"),
        ("c", Literal["a", "b"], "x is 'c' and no a or b"),
        ([1], str | int | None, "x is list and no str, int or None"),
        (None, str | int, "x is None and no str or int"),
        (1.5, Literal["a", "b"] | int, "x is 1.5 and no a or b or int"),
        (1, str | None, "x is 1 and no str or None"),
        (["a", 1], list[str] | None, r"x\[1\] is 1 and no str"),
        ([{}], list[str | list[Any]], r"x\[0\] is dict and no str or list"),
    ],
)
def test_what_was_expected_is_said(value, hint, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        decode(value, hint, "x")
