"""The base of all views: selection, requests, stills, saved pages. No browser here."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import comm
import nbformat
import numpy as np
import pytest
from nbconvert import HTMLExporter
from traitlets import TraitError

from scope_widgets import widgets
from scope_widgets._job import JobStatus
from scope_widgets.widgets import Selection, save_html
from scope_widgets.widgets.core import bundle
from scope_widgets.widgets.core.drawing.png import png
from scope_widgets.widgets.core.view import View

EVIL = "<img src=x onerror=alert(1)></script><!--"


class Answering(View):
    bundle = "head_table"

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.sent: list[tuple[dict[str, Any], list[bytes]]] = []

    def send(self, content: Any, buffers: Any = None) -> None:
        self.sent.append((content, list(buffers or ())))

    def answer_double(self, n: int) -> tuple[dict[str, Any], list[bytes]]:
        if n < 0:
            raise ValueError(f"Only numbers from 0 can be doubled, not {n}.")
        return {"n": 2 * n}, [bytes([n])]

    def answer_slow(self, steps: int) -> Any:
        for step in range(steps):
            yield JobStatus("running", "counting", step, steps)
        return {"steps": steps}, []

    def answer_broken(self) -> Any:
        raise OSError(2, "No such file or directory", "/home/someone/secret.txt")

    def saved_answers(self) -> Any:
        yield "double", {"n": 3}, *self.answer_double(3)

    def provenance_lines(self) -> list[str]:
        return [f"prompt {EVIL}"]

    def still_table(self) -> Any:
        return ["head", EVIL], [["5.1", EVIL]]

    def still_image(self) -> Any:
        return np.zeros((2, 3), np.uint8)

    def hear(self, **message: Any) -> None:
        self._handle_custom_msg({"v": 1, **message}, [])


def ask(view: Answering, name: str, *given: Any, **args: Any) -> dict[str, Any]:
    view.hear(id="a", kind="req", name=name, args=given[0] if given else args)
    return view.sent[-1][0]


# -- the package


def test_views_are_listed_and_loaded_on_demand() -> None:
    assert set(widgets.__all__) <= set(dir(widgets))
    assert widgets.Selection is Selection
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = widgets.Nothing


# -- selection


def test_views_share_a_selection_both_ways() -> None:
    chosen = Selection(heads=[(5, 1)], tokens=[3])
    first, second = View(selection=chosen), View(selection=chosen)
    assert first.selection_id == second.selection_id == chosen.id
    assert second.selected_heads == [(5, 1)]
    first.selected_heads = np.array([[1, 0], [1, 0], [2, 3]])
    assert chosen.heads == second.selected_heads == [(1, 0), (2, 3)]
    chosen.tokens = [7]
    assert first.selected_tokens == second.selected_tokens == [7]
    chosen.clear()
    assert (first.selected_heads, first.selected_tokens) == ([], [])


def test_a_change_in_the_browser_reaches_the_others() -> None:
    chosen = Selection()
    first, second = View(selection=chosen), View(selection=chosen)
    first.set_state({"selected_heads": [[2, 3]]})
    assert chosen.heads == second.selected_heads == [(2, 3)]


def test_views_without_a_selection_have_their_own() -> None:
    first, second = View(), View()
    first.selected_heads = [(1, 1)]
    assert second.selected_heads == []
    assert first.selection.heads == [(1, 1)]


def test_options_that_are_none_are_refused() -> None:
    with pytest.raises(TypeError, match=r"selection= takes a Selection, not \[\(0, 1\)\]"):
        View(selection=[(0, 1)])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="View has no option colour. Its options are head_notes, height, .*title"):
        View(colour="red")


def test_selected_heads_given_replace_those_of_the_selection() -> None:
    chosen = Selection(heads=[(5, 1)])
    assert View(selection=chosen, selected_heads=[(0, 0)], selected_tokens=[2]).selected_heads == [(0, 0)]
    assert chosen.heads == [(0, 0)]
    assert chosen.tokens == [2]


def test_a_closed_view_no_longer_follows() -> None:
    chosen = Selection()
    view = View(selection=chosen)
    view.close()
    chosen.heads = [(1, 1)]
    assert view.selected_heads == []


@pytest.mark.parametrize(
    ("heads", "sentence"),
    [
        ([(6, 0)], "Head 6.0 is not there: the model has layers 0 to 5."),
        ([(0, 2)], "Head 0.2 is not there: each layer has heads 0 to 1."),
        ([(-1, 0)], "count from 0"),
        ([(1,)], "A head is a pair"),
        ([(1, 0.5)], "A head is a pair"),
        ([3], "A head is a pair"),
        ("51", "given as a list"),
        (None, "given as a list"),
    ],
)
def test_heads_that_are_none_are_refused(heads: Any, sentence: str) -> None:
    view = View(n_layers=6, n_heads=2, selected_heads=[(5, 1)])
    with pytest.raises(TraitError, match=re.escape(sentence)):
        view.selected_heads = heads
    with pytest.raises(TraitError, match=re.escape(sentence)):
        view.selection.heads = heads
    assert view.selected_heads == view.selection.heads == [(5, 1)]
    if heads is not None:
        with pytest.raises(TraitError, match=re.escape(sentence)):
            View(n_layers=6, n_heads=2, selected_heads=heads)


@pytest.mark.parametrize("tokens", [[-1], ["a"], [1.5], 3, "12"])
def test_tokens_that_are_none_are_refused(tokens: Any) -> None:
    with pytest.raises(TraitError):
        View(selected_tokens=tokens)


@pytest.mark.parametrize("latents", ["3.27", 3, [3], [(3, 27)], ["a3.h1"], ["3.error"], ["x" * 1000], ["3.-1"]])
def test_latents_that_are_none_are_refused(latents: Any) -> None:
    with pytest.raises(TraitError, match=r"3\.27"):
        Selection(latents=latents)


def test_models_of_different_sizes_share_what_either_has() -> None:
    chosen = Selection()
    small = View(selection=chosen, n_layers=2, n_heads=2)
    large = View(selection=chosen, n_layers=9, n_heads=9)
    large.selected_heads = [(8, 8)]
    assert small.selected_heads == [(8, 8)]
    with pytest.raises(TraitError):
        small.selected_heads = [(7, 7)]


# -- requests


def test_an_answer_carries_the_id_data_and_buffers() -> None:
    view = Answering()
    view.hear(id="q1", kind="req", name="double", args={"n": 4})
    assert view.sent == [({"v": 1, "id": "q1", "kind": "res", "data": {"n": 8}}, [b"\x04"])]


@pytest.mark.parametrize(
    ("name", "args", "sentence"),
    [
        ("double", {"n": -1}, "Only numbers from 0 can be doubled, not -1."),
        ("nothing", {}, "This view has no answer to 'nothing'."),
        ("double", {"m": 1}, "'double' was asked with the wrong arguments: missing a required argument: 'n'."),
        ("broken", {}, "'broken' failed: No such file or directory."),
        ("double", {"n": "x"}, "'double' was asked with the wrong arguments: n is 'x' and no int."),
        ("double", [1], "'double' was asked with the wrong arguments: they are no object."),
        ("double", {"n": float("inf")}, "'double' was asked with the wrong arguments: it holds a number that is not"),
    ],
)
def test_what_goes_wrong_is_said_in_a_sentence(name: str, args: dict[str, Any], sentence: str) -> None:
    answer = ask(Answering(), name, args)
    assert answer["kind"] == "err"
    assert answer["message"].startswith(sentence)
    assert "/" not in answer["message"]


def test_other_messages_are_left_alone() -> None:
    view = Answering()
    view._handle_custom_msg({"kind": "anywidget-command"}, [])
    view._handle_custom_msg("hello", [])
    assert view.sent == []


def test_long_answers_report_and_can_be_stopped() -> None:
    async def talk() -> list[str]:
        view = Answering()
        view.hear(id="a", kind="req", name="slow", args={"steps": 1000})
        view.hear(id="b", kind="req", name="slow", args={"steps": 2})
        await asyncio.sleep(0)
        view.hear(id="a", kind="cancel")
        await asyncio.sleep(0.01)
        return [f"{content['id']} {content['kind']}" for content, _ in view.sent]

    said = asyncio.run(talk())
    assert said[-1] == "b res"
    assert said.count("b progress") == 2
    assert "a res" not in said
    assert said.count("a progress") < 4


def test_without_a_loop_long_answers_run_to_their_end() -> None:
    assert ask(Answering(), "slow", steps=3)["data"] == {"steps": 3}


# -- stills


def test_png_is_a_png() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    data = png(pixels)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">IIBB", data[16:26]) == (4, 2, 8, 2)
    lines = zlib.decompress(data[data.index(b"IDAT") + 4 : -16])
    assert lines == b"".join(b"\0" + row.tobytes() for row in pixels)
    for wrong in (pixels.astype(float), pixels[..., :2], pixels[0, 0], pixels[:0]):
        with pytest.raises(ValueError, match="A picture is a uint8 array"):
            png(wrong)


def test_stills_are_escaped_and_without_scripts() -> None:
    data, _ = Answering(title=f"Heads {EVIL}")._repr_mimebundle_()
    assert data["image/png"].startswith("iVBOR")
    page = data["text/html"]
    assert "&lt;img src=x onerror" in page
    assert "<img src=x" not in page
    assert "<script" not in page
    assert "http" not in page


def test_nbconvert_without_widget_state_shows_the_still() -> None:
    data, metadata = Answering(title="Heads of a model")._repr_mimebundle_()
    output = nbformat.v4.new_output("display_data", data=data, metadata=metadata)
    cell = nbformat.v4.new_code_cell("view", outputs=[output])
    page, _ = HTMLExporter(embed_images=True).from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    assert "<b>Heads of a model</b>" in page
    assert ">5.1</td>" in page
    assert "<img src=x" not in page


def test_the_browser_is_told_of_a_view_once_all_of_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(Answering):
        def __init__(self, title: str = "", **traits: Any) -> None:
            super().__init__(**traits)
            self.title, self.made_by = title, "set after the constructor of ipywidgets"

    sent: list[Any] = []

    def create(**options: Any) -> Any:
        sent.append(options["data"]["state"])
        return comm.DummyComm()

    monkeypatch.setattr(comm, "create_comm", create)
    view = Late("Heads")
    shown = [state for state in sent if "made_by" in state]
    assert [(state["title"], state["made_by"]) for state in shown] == [("Heads", view.made_by)]
    assert str(inspect.signature(Late)).startswith("(title: ")


# -- saved pages


def test_a_bundle_that_is_not_built_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bundle, "STATIC", tmp_path)
    assert "in a checkout, build it with `make build`" in View()._esm
    with pytest.raises(FileNotFoundError, match="`make build`"):
        View().to_html(tmp_path / "page.html")


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Stand-ins for the bundles, so that this file needs no Node."""
    for name in ("saved_page", "head_table", "other"):
        (tmp_path / f"{name}.js").write_text(f"/* {name} </script> */")
    monkeypatch.setattr(bundle, "STATIC", tmp_path)
    return tmp_path


def part(page: str, name: str) -> Any:
    return json.loads(re.search(rf'id="{name}">(.*?)</script>', page, re.S)[1])  # type: ignore[index]


def test_a_page_holds_state_answers_and_each_bundle_once(built: Path) -> None:
    chosen = Selection(heads=[(5, 1)])
    views = [Answering(title=f"View {i} {EVIL}", selection=chosen) for i in range(3)]
    path = save_html(views, built / "page.html")
    page = path.read_text(encoding="utf-8")
    assert page.count('id="bundle-head_table"') == 1
    assert part(page, "bundle-head_table") == "/* head_table </script> */"
    saved = part(page, "views")
    assert [view["state"]["title"] for view in saved] == [f"View {i} {EVIL}" for i in range(3)]
    assert {view["state"]["selection_id"] for view in saved} == {"selection-0"}  # the same bytes each time
    assert saved[0]["state"]["selected_heads"] == [[5, 1]]
    assert "_esm" not in saved[0]["state"]
    assert saved[0]["answers"] == [{"name": "double", "args": {"n": 3}, "data": {"n": 6}, "buffers": [0]}]
    assert page.count('id="buffer-') == 1
    assert "<img" not in page
    assert page.count("</script>") == page.count("<script")
    assert "default-src 'none'" in page
    assert "http://" not in page
    assert "https://" not in page


def test_results_are_saved_as_their_widgets_and_linked(built: Path) -> None:
    class Result:
        def widget(self) -> View:
            return Answering()

    alone = Answering()
    save_html([Result(), alone, Result()], built / "page.html")
    ids = [view["state"]["selection_id"] for view in part((built / "page.html").read_text(), "views")]
    assert ids[0] == ids[2] != ids[1]


def test_one_view_can_be_asked_for_its_page(built: Path) -> None:
    view = Answering()
    assert ask(view, "html")["kind"] == "res"
    assert view.sent[-1][1][0].startswith(b"<!doctype html>")
    assert view.to_html(built / "one.html").exists()


def test_what_cannot_be_saved_is_refused(built: Path) -> None:
    with pytest.raises(TypeError, match=r"not a int"):
        save_html([3], built / "page.html")
    with pytest.raises(ValueError, match="at least one view"):
        save_html([], built / "page.html")
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        save_html(Answering(), built / "nowhere" / "page.html")


def test_what_changed_before_the_browser_drew_a_view_is_sent_again():
    view, sent = Answering(title="before"), []
    view.send_state = lambda key: sent.append(key)
    view.title = "after"
    view.selection.heads = [(0, 1)]
    sent.clear()
    view._hear(view, {"v": 1, "id": "", "kind": "mounted"}, [])
    assert sent == [["selected_heads", "title"]]
    view.title = "later"
    sent.clear()
    view._hear(view, {"v": 1, "id": "", "kind": "mounted"}, [])
    assert sent == []


def test_a_host_of_text_alone_says_what_it_is_and_how_to_see_it(demo, monkeypatch):
    trace = demo.trace("the horse")
    view = widgets.AttentionView(trace)
    said = (
        "AttentionView(Model demo, prompt “the horse”): a notebook shows it, .to_html('view.html') writes it as a page"
    )
    published = []
    monkeypatch.setattr(
        "scope_widgets.widgets.core.display.publish_display_data", lambda data, *_: published.append(data)
    )
    assert repr(view) == view._repr_mimebundle_()[0]["text/plain"] == said
    view._ipython_display_()
    assert published.pop()["text/plain"] == said
    trace._ipython_display_()
    assert published.pop()["text/plain"] == trace._repr_mimebundle_()[0]["text/plain"] == repr(trace)
    assert repr(Answering()) == "Answering(): a notebook shows it, .to_html('view.html') writes it as a page"
