"""Views that are closed are gone, and those that are made for a file are closed."""

import asyncio
import gc
import tracemalloc

import ipywidgets
import pytest

from scope_widgets import heads, steering, widgets
from scope_widgets.widgets.core.saved_page import page

PROMPT = "When Mary and John went to the store, John gave a drink to"
instances = ipywidgets.widgets.widget._instances


@pytest.fixture(scope="module")
def shown(demo):
    trace = demo.trace(PROMPT)
    return trace, heads.score(trace)


def opened_and_closed(shown, tmp_path):
    trace, scores = shown
    yield "to_html", lambda: trace.to_html(tmp_path / "trace.html")
    yield "save_html", lambda: widgets.save_html([trace, scores], tmp_path / "both.html")
    yield "page", lambda: page([scores])
    yield "displayed", trace._repr_mimebundle_
    yield "closed", lambda: widgets.AttentionView(trace).close()


def growth(work, n):
    """Return how many bytes a call keeps, and how many widgets are left: the least of three parts.

    What leaks does so in each; a table of the interpreter's that gets larger (that of interned strings has megabytes)
    does so in one.
    """
    for _ in range(3):
        work()
    gc.collect()
    widgets_before, kept = len(instances), []
    for _ in range(3):
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(n // 3):
            work()
        gc.collect()
        kept.append((tracemalloc.get_traced_memory()[0] - before) / (n // 3))
    return min(kept), len(instances) - widgets_before


def grown(shown, tmp_path, n):
    for _, work in opened_and_closed(shown, tmp_path):
        work()  # what is imported for it is not followed
    tracemalloc.start()
    try:
        found = {name: growth(work, n) for name, work in opened_and_closed(shown, tmp_path)}
    finally:
        tracemalloc.stop()
    return {name: one for name, one in found.items() if one[0] > 5000 or one[1]}


def test_what_is_opened_and_closed_does_not_grow(shown, tmp_path):
    assert grown(shown, tmp_path, 6) == {}


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_1000_that_are_opened_and_closed_do_not_grow(shown, tmp_path):
    assert grown(shown, tmp_path, 1000) == {}


def test_a_layout_that_was_given_stays(shown):
    layout = ipywidgets.Layout()
    widgets.AttentionView(shown[0], layout=layout).close()
    assert layout.comm is not None
    own = widgets.AttentionView(shown[0])
    of_view = own.layout
    own.close()
    assert of_view.comm is None


def test_a_closed_panel_stops_its_continuation(demo):
    direction = steering.direction(demo, answer=" Mary", versus=" John", layer=2)
    panel = widgets.SteeringPanel(session=steering.Session(demo, PROMPT, [steering.AddDirection(direction)]))
    seen = []
    step = type(panel).answer_continue

    def counted(**args):
        steps = step(panel, **args)
        try:
            while True:
                seen.append(next(steps))
                yield seen[-1]
        except StopIteration as end:
            return end.value
        finally:
            steps.close()

    async def closed_in_the_middle():
        panel.answer_continue = counted
        asked = {"strengths": [0.3], "max_new_tokens": 20, "temperature": 0.0, "seed": 0}
        panel._hear(panel, {"v": 1, "kind": "req", "id": "1", "name": "continue", "args": asked}, [])
        while len(seen) < 3:
            await asyncio.sleep(0)
        panel.close()
        for _ in range(50):
            await asyncio.sleep(0)

    asyncio.run(closed_in_the_middle())
    assert len(seen) <= 4
    assert not panel._running
