"""What is selected is ablated, scaled or frozen in any view, in a real Chromium."""

from __future__ import annotations

from typing import Any

import pytest

from scope_widgets import circuits, heads, lens, patching, steering
from scope_widgets.widgets import (
    AttentionView,
    AttributionView,
    CircuitGraph,
    HeadTable,
    PatchingMap,
    Selection,
    SteeringPanel,
    save_html,
)

PROMPT = "When Mary and John went to the store, John gave a drink to"
CORRUPTED = "When Mary and John went to the store, Mary gave a drink to"


@pytest.fixture
def show(browser_page: Any, mount: Any, demo: Any) -> Any:
    """``show(width, theme)`` gives attention and the panel of one prompt and selection, and their places."""

    def show(width: int = 1000, theme: str = "light") -> tuple[Any, Any, Any, Any]:
        shared: dict[str, Any] = {"selection": Selection(heads=[(3, 1)]), "theme": theme}
        views = (
            AttentionView(demo.trace(PROMPT), **shared),
            SteeringPanel(demo, PROMPT, answer=" Mary", versus=" John", **shared),
        )
        return (*views, *mount(browser_page, *views, width=width))

    return show


def numbers(place: Any) -> str:
    return " ".join(place.locator(".sw-touch-numbers").inner_text().split())


def test_a_head_is_ablated_in_one_view_and_stands_in_the_other(show: Any, demo: Any) -> None:
    view, panel, attention, steering_place = show()
    assert numbers(attention) == ""
    attention.get_by_role("button", name="Ablate").click()
    expected = steering.Session(demo, PROMPT, [steering.ScaleHead(3, 1)], answer=" Mary", versus=" John").at()
    assert view.session.at().difference == pytest.approx(expected.difference, abs=1e-5)
    assert f"→ +{expected.difference:.2f}" in numbers(attention)
    assert panel.strengths == [0.0]
    assert steering_place.locator(".sp-what").inner_text() == "head 3.1"
    assert f"+{expected.difference:.2f}" in steering_place.locator(".sp-dials").inner_text()
    steering_place.get_by_role("button", name="Remove").click()
    assert numbers(attention) == ""
    assert attention.locator(".sw-touch-chip").count() == 0
    steering_place.get_by_role("button", name="Undo").click()
    assert attention.locator(".sw-touch-chip").inner_text().split("\n")[0] == "head 3.1 × 0"
    assert panel.strengths == [0.0]


def test_keys_alone_ablate_scale_and_undo(show: Any, browser_page: Any) -> None:
    _, panel, attention, _ = show()
    attention.locator(".av-sentence").focus()
    browser_page.keyboard.press("x")
    assert panel.strengths == [0.0]
    field = attention.get_by_label("Factor of head 3.1")
    field.fill("0.5")
    field.press("Enter")
    assert panel.strengths == [0.5]
    field.fill("much")
    field.press("Enter")
    assert "no number" in attention.locator(".sw-touch-status").inner_text()
    assert panel.strengths == [0.5]
    attention.get_by_role("button", name="Undo the last").press("Enter")
    assert panel.strengths == [0.0]
    attention.get_by_role("button", name="Undo the last").press("Enter")
    assert panel.strengths == []


def test_a_saved_page_has_no_bar(browser_page: Any, demo: Any, tmp_path: Any) -> None:
    view = AttentionView(demo.trace(PROMPT), selected_heads=[(3, 1)])
    view.intervene(steering.ScaleHead(3, 1))
    browser_page.goto(save_html([view], tmp_path / "page.html").as_uri())
    browser_page.locator(".av-body").wait_for()
    assert browser_page.locator(".sw-touch").is_hidden()


def every_kind(demo: Any, **options: Any) -> dict[str, Any]:
    trace = demo.trace(PROMPT)
    compared = {"answer": " Mary", "versus": " John"}
    shared: dict[str, Any] = {"selection": Selection(heads=[(3, 1)]), **options}
    return {
        "attention": AttentionView(trace, **shared),
        "table": HeadTable(heads.score(trace, null_draws=0), columns=["induction", "entropy"], **shared),
        "attribution": AttributionView(lens.direct_logit_attribution(trace, **compared), trace=trace, mlp=1, **shared),
        "map": PatchingMap(patching.activations(demo, PROMPT, CORRUPTED, **compared, over="residual"), **shared),
        "panel": SteeringPanel(demo, PROMPT, **compared, **shared),
    }


def test_neurons_and_cells_are_changed_where_they_stand(browser_page: Any, mount: Any, demo: Any) -> None:
    views = every_kind(demo)
    places = dict(zip(views, mount(browser_page, *views.values(), width=1000), strict=True))
    places["attribution"].locator(".at-name").first.click()
    field = places["attribution"].locator(".sw-touch-field")
    held = field.input_value()
    field.press("Enter")
    (row,) = views["panel"].interventions
    assert row["kind"] == "clamp"
    assert views["panel"].strengths[0] == pytest.approx(float(held.replace("−", "-")))
    places["map"].locator(".pm-content button").first.click()
    places["map"].get_by_role("button", name="Corrupted", exact=True).click()
    assert [one["kind"] for one in views["panel"].interventions].count("patch") == 1
    texts = {numbers(place) for name, place in places.items() if name != "panel"}
    assert len(texts) == 1
    places["map"].get_by_role("button", name="Corrupted", exact=True).click()
    assert [one["kind"] for one in views["panel"].interventions] == ["clamp"]


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", [480, 1000])
def test_pictures(browser_page: Any, mount: Any, demo: Any, screenshot: Any, theme: str, width: int) -> None:
    views = every_kind(demo, theme=theme)
    places = dict(zip(views, mount(browser_page, *views.values(), width=width), strict=True))
    places["attention"].get_by_role("button", name="Ablate").click()
    places["map"].locator(".pm-content button").first.click()
    places["map"].get_by_role("button", name="Corrupted", exact=True).click()
    places["attribution"].locator(".at-name").first.click()
    for name, place in places.items():
        screenshot(place, f"interventions-{name}-{theme}-{width}", compared=False)


@pytest.mark.parametrize("width", [480, 1000])
def test_a_node_of_a_circuit_is_ablated_or_scaled(browser_page: Any, mount: Any, demo: Any, width: int) -> None:
    task = circuits.Task.of(demo, [PROMPT], [CORRUPTED], " Mary", " John")
    view = CircuitGraph(circuits.discover(demo, task, "eap").keep(20), demo, selected_heads=[(3, 1)])
    (place,) = mount(browser_page, view, width=width)
    bar = place.get_by_role("group", name="Interventions")
    bar.get_by_role("button", name="Ablate").click()
    expected = steering.Session(demo, PROMPT, [steering.ScaleHead(3, 1)], answer=" Mary", versus=" John").at()
    assert f"→ +{expected.difference:.2f}" in numbers(place)
    assert view.circuit.n_edges == 20  # the circuit is as it was
    bar.get_by_role("button", name="Ablate").focus()
    browser_page.keyboard.press("i")
    assert view.intervened["rows"] == []
