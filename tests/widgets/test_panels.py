"""Panels of a page: each kind is made, follows the prompt, and stands in the notebook with the same numbers."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from scope_widgets._job import Job
from scope_widgets.features import FeatureIndex
from scope_widgets.steering import ScaleHead
from scope_widgets.widgets.workbench.panels import KINDS, BrowserPage
from scope_widgets.widgets.workbench.panels.make_panel import checked, suggested

PROMPT = "When Mary and John went to the store, John gave a drink to"
OTHER = "When Anna and Paul went to the park, Paul gave a book to"
#: what they show lies in a workspace, see test_folder_panels.py
OF_FOLDERS = {"report", "runs"}
SMALL = {"circuit": {"pairs": 6}, "ioi": {"prompts": 8}}


class Heard(list[Any]):
    def put(self, head: dict[str, Any], buffers: list[Any]) -> None:
        self.append(head)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def page(demo: Any, heard: Heard) -> Iterator[BrowserPage]:
    index = FeatureIndex.load("demo", scope=demo)
    one = BrowserPage(demo, PROMPT, heard, lambda _: index, lambda _, steps: steps)
    one.tell_all()
    yield one
    one.close()


def add(page: BrowserPage, kind: str, side: str = "a") -> str:
    name = f"{kind}{side}"
    Job(page.answer_add(name, kind, side, SMALL.get(kind))).result(progress=False)
    return name


def shown(page: BrowserPage) -> dict[str, Any]:
    return {panel.id: panel.view for side in page.sides.values() for panel in side.panels.values()}


def test_every_kind_follows_the_prompt_and_is_in_the_notebook(page: BrowserPage) -> None:
    for kind in set(KINDS) - OF_FOLDERS:
        add(page, kind)
    page.selection.heads = [(2, 1)]
    before = shown(page)
    page.sides["a"].bar.change_prompt(OTHER)
    after = shown(page)
    for name in (
        "attentiona",
        "headsa",
        "lensa",
        "attributiona",
        "steeringa",
        "featuresa",
        "circuita",
        "ioia",
        "stacka",
    ):
        assert after[name] is before[name]
    for name in ("tokensa", "patchinga", "projectiona"):
        assert after[name] is not before[name]
        assert before[name].comm is None  # what it takes the place of is closed
    assert after["patchinga"].other_prompt() == OTHER.replace("Paul gave", "Anna gave")
    assert after["lensa"].prompt == after["attentiona"].prompt == OTHER
    made = _run(page.answer_notebook()[1][0])
    assert sorted(type(view).__name__ for view in made) == sorted(type(view).__name__ for view in after.values())
    tokens = next(view for view in made if type(view).__name__ == "TokenView")
    np.testing.assert_array_equal(tokens.numbers["loss"], after["tokensa"].numbers["loss"])
    projection = next(view for view in made if type(view).__name__ == "ProjectionView")
    np.testing.assert_allclose(projection.points, after["projectiona"].points)
    assert projection.n_points == len(after["attentiona"].tokens) - 1
    assert all("The first token has no point" in one for one in projection.fidelity)
    assert projection.fidelity == after["projectiona"].fidelity
    attribution = next(view for view in made if type(view).__name__ == "AttributionView")
    np.testing.assert_allclose(
        attribution.result.to_dataframe().contribution, after["attributiona"].result.to_dataframe().contribution
    )
    assert all(view.selected_heads == [(2, 1)] for view in made)


def _run(notebook: bytes) -> list[Any]:
    """Run the cells of a notebook; returns what each displays."""
    names: dict[str, Any] = {}
    found = []
    for cell in json.loads(notebook)["cells"]:
        if cell["cell_type"] != "code":
            continue
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "cell", "exec"), names)
        if isinstance(last, ast.Expr):
            found.append(eval(compile(ast.Expression(last.value), "cell", "eval"), names))
    return found


def test_two_sides_have_prompts_of_their_own(page: BrowserPage) -> None:
    Job(page.answer_compare(OTHER)).result(progress=False)
    add(page, "lens"), add(page, "lens", "b")
    assert [view.prompt for view in shown(page).values()] == [PROMPT, OTHER]
    page.sides["b"].bar.change_prompt(PROMPT)
    page.sides["b"].bar.change_prompt("I think")  # though both had the same text
    assert [view.prompt for view in shown(page).values()] == [PROMPT, "I think"]
    shown(page)["lensa"].selected_tokens = [1]
    assert shown(page)["lensb"].selected_tokens == [1]
    page.answer_single()
    assert list(page.sides) == ["a"]
    with pytest.raises(ValueError, match="no side 'b'"):
        add(page, "lens", "b")


def test_a_prompt_that_fails_leaves_all_as_it_was(page: BrowserPage) -> None:
    add(page, "tokens")
    before = shown(page)
    with pytest.raises(ValueError, match="empty"):
        page.sides["a"].bar.change_prompt(" ")
    assert shown(page) == before
    assert page.sides["a"].prompt == PROMPT


def test_patching_that_no_corrupted_prompt_follows_to_stays_and_says_so(page: BrowserPage) -> None:
    add(page, "patching")
    before = shown(page)["patchinga"]
    page.sides["a"].bar.change_prompt("I think that")
    assert shown(page)["patchinga"] is before
    assert "Patching shows the prompt of before" in page.sides["a"].bar.note


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("nothing", {}, "no panel"),
        ("lens", {"a": 1}, "options of 'lens' are none"),
        ("circuit", {"task": "other"}, "one of ioi"),
        ("circuit", {"pairs": 0}, "1 to 200"),
        ("circuit", {"pairs": 10**9}, "1 to 200"),
        ("circuit", {"pairs": True}, "such as 20"),
        ("patching", {"corrupted": 3}, "such as"),
    ],
)
def test_options_are_checked(kind: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        checked(kind, options)


def test_a_name_that_comes_twice_is_exchanged(demo: Any) -> None:
    assert suggested(demo, PROMPT) == PROMPT.replace("John gave", "Mary gave")
    assert suggested(demo, "I think") == ""


def test_views_beside_what_steers_say_that_they_are_without(page: BrowserPage) -> None:
    def without() -> set[str]:
        return {name for name, view in shown(page).items() if view.unsteered}

    for kind in ("lens", "tokens", "features", "steering"):
        add(page, kind)
    steering = shown(page)["steeringa"]
    steering.answer_add_head(3, 1)
    assert not without()  # a head at 1 is as it was
    steering.strengths = [0.0]
    assert without() == {"lensa", "tokensa"}
    assert "Without steering." in shown(page)["lensa"].to_svg()
    assert "Without steering." not in steering.to_svg()
    add(page, "attribution")
    page.sides["a"].bar.change_prompt(OTHER)
    assert without() == {"lensa", "tokensa", "attributiona"}  # one of which was made anew
    Job(page.answer_compare(PROMPT)).result(progress=False)
    add(page, "lens", "b")
    assert "lensb" not in without()  # nothing steers that prompt
    steering.enabled = [False]
    assert not without()
    shown(page)["attributiona"].intervene(ScaleHead(2, 0, 0.0))
    page.answer_remove("steeringa")
    assert without() == {"lensa", "tokensa", "attributiona"}  # what was changed below a view acts on


def test_a_page_of_another_tab_is_told_what_it_does_not_know(page: BrowserPage, heard: Heard) -> None:
    add(page, "lens")
    view = shown(page)["lensa"].model_id
    heard.clear()
    page.tell_anew(["page", view, "gone"])
    assert [(head["kind"], head["id"]) for head in heard] == [
        ("close", "gone"),
        ("open", page.sides["a"].bar.model_id),
        ("update", view),
        ("update", "page"),
    ]
