"""The README's block, the tour and the notebooks show what they say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from scope_widgets.widgets.core.view import View
from scripts import run_notebooks
from tests.support.paths import NOTEBOOKS, ROOT

WITH_OUTPUTS = sorted(path for path in NOTEBOOKS.glob("*.ipynb") if path.stem not in ("remote", "features_smollm2"))
#: a path from the root of a disk
MACHINE = re.compile(r"(?<![\w/:.<])/[\w.-]+/[\w.-]+|\b[A-Z]:\\\\|site-packages")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    return run_notebooks.tour(tmp_path_factory.mktemp("tour"))


def test_the_readme_is_one_screen_and_its_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count("\n") <= 60
    assert re.search(r"^make demo .*^make test ", text, re.M | re.S)
    for picture in re.findall(r"!\[[^\]]{40,}\]\(([^)]+)\)", text):
        assert (ROOT / picture).stat().st_size < 400_000
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", text, re.S)
    exec(compile(block, "README.md", "exec"), {})
    assert (tmp_path / "heads.html").stat().st_size > 30_000


def test_each_block_of_the_tour_ends_with_what_it_shows(shown: list[Any]) -> None:
    blocks = run_notebooks.blocks()
    assert len(shown) == len(blocks) > 10
    for block, value in zip(blocks, shown, strict=True):
        assert value is not None, block
        assert "print(" not in block
        plain = not hasattr(value, "_repr_mimebundle_") and not hasattr(value, "_repr_html_")
        assert not plain or (not re.search(r" object at 0x", repr(value)) and len(repr(value)) < 2000), block
    kinds = {value.bundle for value in shown if isinstance(value, View)}
    assert len(kinds) == 9


def test_each_view_of_the_tour_has_its_picture_below(shown: list[Any]) -> None:
    text = (ROOT / "docs/tour.md").read_text(encoding="utf-8")
    pictures = re.findall(r"!\[[^\]]{20,}\]\((pictures/(\w+)\.svg)\)", text)
    assert {name for _, name in pictures} == {value.bundle for value in shown if isinstance(value, View)}
    for path, _ in pictures:
        drawn = (ROOT / "docs" / path).read_text(encoding="utf-8")
        assert drawn.startswith("<svg")
        assert "Model demo" in re.sub(r"</text><text[^>]*>", " ", drawn)
        assert len(drawn) < 60_000
    views = {value.bundle: value for value in shown if isinstance(value, View)}
    for name, view in views.items():  # numbers may differ in the last digit between machines
        stored = (ROOT / f"docs/pictures/{name}.svg").read_text(encoding="utf-8")
        now = [re.findall(r"<text[^>]*>([^<]*)", svg) for svg in (stored, view.to_svg(width=run_notebooks.WIDTH))]
        assert len(now[0]) == len(now[1]), f"the picture of {name} is an old one: make notebooks"


def test_words_of_the_tour_are_in_the_glossary_or_explained() -> None:
    tour = (ROOT / "docs/tour.md").read_text(encoding="utf-8")
    assert "(glossary.md)" in tour
    glossary = (ROOT / "docs/glossary.md").read_text(encoding="utf-8").lower()
    known = {word.strip() for row in re.findall(r"^\| ([^|]+) \|", glossary, re.M) for word in row.split(",")}
    known |= set(re.findall(r"\*([^*\n]+)\*", glossary))
    text = re.sub(r"```.*?```|\*\*", "", tour, flags=re.S)
    marked = {" ".join(word.split()).lower() for word in re.findall(r"\*([a-zA-Z][^*]+)\*", text)}
    assert len(marked) > 15
    assert {word for word in marked if not {word, word.removesuffix("s")} & known} == set()


@pytest.mark.parametrize("path", WITH_OUTPUTS, ids=lambda path: path.stem)
def test_notebooks_hold_what_they_showed(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.encode()) <= run_notebooks.most(path)
    notebook = json.loads(text)
    assert "widgets" not in notebook["metadata"]
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for cell in code:
        for output in cell["outputs"]:
            assert output["output_type"] != "error"
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {})
    assert all(cell["execution_count"] for cell in code)
    assert sum(bool(cell["outputs"]) for cell in code) > len(code) // 2
    outputs = [output for cell in code for output in cell["outputs"]]
    shown = ["".join(output.get("data", {}).get("text/html", "")) for output in outputs]
    stills = [html for html in shown if "sw-still" in html or "sw-chart" in html]
    assert len(stills) >= (6 if path.stem == "quickstart" else 1)
    said = " ".join(
        "".join(output.get("text", "")) + "".join(output.get("data", {}).get(kind, ""))
        for output in outputs
        for kind in ("text/plain", "text/html")
    )
    assert not MACHINE.search(re.sub(r"base64,[\w+/=]+", "", said))


def test_the_demo_page_has_a_heading_and_a_sentence_a_view() -> None:
    from scope_widgets.widgets.core.saved_page import page
    from scripts.demo import HEADINGS
    from tests.support.every_view import every_view

    view = every_view()["patching_map"]
    text = page([view], [HEADINGS["patching"]])
    assert "<h2>Which activations cause the answer</h2><p>The residual stream" in text
    assert "<h2>&lt;b&gt;</h2>" in page([view], [("<b>", "")])
    with pytest.raises(ValueError, match="a heading for each view"):
        page([view], [("a", "b"), ("c", "d")])
    for _, sentence in HEADINGS.values():
        assert sentence.endswith(".")
