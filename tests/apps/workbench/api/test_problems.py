"""What the library says of its input is refused; what Python says of the library's own mistakes is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scope_widgets._untrusted import parse_json, read_bytes
from scope_widgets.apps.workbench.api.problems import Problem, refusals
from scope_widgets.apps.workbench.jobs import QueueFullError


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("Layer 9 is out of range: there are 0 to 3."), 422),
        (TypeError("A prompt is a text, not a number."), 422),
        (KeyError("The model 'x' is not loaded."), 422),
        (IndexError("There is no latent 9."), 422),
        (FileNotFoundError("There is no file 'x'."), 404),
        (MemoryError(), 413),
        (QueueFullError("Many wait."), 503),
    ],
)
def test_sentences_are_refusals(error: Exception, status: int) -> None:
    with pytest.raises(Problem) as refused, refusals():
        _raise(error)
    assert refused.value.status == status
    assert refused.value.detail


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: [][1],
        lambda: {}["a"],
        lambda: {}[("a", 1)],
        lambda: None + 1,  # type: ignore[operator]
        lambda: len(3),  # type: ignore[arg-type]
        lambda: int("x"),
        lambda: max([]),
        lambda: Path("/nothing/at/all").read_bytes(),
        lambda: dict([1]),  # type: ignore[list-item]
        lambda: parse_json.no_such_attribute,  # type: ignore[attr-defined]
        lambda: 1 / 0,
    ],
)
def test_mistakes_of_ours_are_none(mistake: Callable[[], object]) -> None:
    with pytest.raises(Exception) as found, refusals():
        mistake()
    assert not isinstance(found.value, Problem)


def test_a_file_that_is_not_there_is() -> None:
    with pytest.raises(Problem) as refused, refusals():
        read_bytes("/nothing/at/all")
    assert refused.value.status == 404
