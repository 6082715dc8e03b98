"""Figures as files: one page without a network, images where kaleido is, texts that no browser takes for markup."""

import importlib.util
import json
import re
from base64 import b64encode
from hashlib import sha256

import plotly.graph_objects as go
import pytest

from scope_widgets import plots
from scope_widgets.plots.drawing.labels import literal, shortened, token_label, wrapped


@pytest.fixture(scope="module")
def figure(demo):
    return demo.trace("the dog runs </script><script>alert(1)</script>").plot(3, 1)


def test_a_page_holds_all_that_it_needs_and_lets_nothing_else_in(figure, tmp_path):
    path = plots.save(figure, tmp_path / "one.html")
    text = path.read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy
    assert "unsafe-inline" not in policy.partition("style-src")[0]
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 2
    for one in scripts:
        assert b64encode(sha256(one.encode()).digest()).decode() in policy
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=", text.replace(scripts[0], ""))
    data = json.loads(re.search(r'id="figure">(.*?)</script>', text, re.DOTALL)[1])
    assert data["layout"]["title"]["text"] == figure.layout.title.text
    assert "torch" in text.partition("<p>")[2].partition("</p>")[0]  # where it came from


def test_webgl_alone_may_compile_its_programs(tmp_path):
    many = go.Figure(go.Scattergl(x=[1], y=[2]))
    assert "'unsafe-eval'" in plots.save(many, tmp_path / "many.html").read_text()[:2000]


def test_a_figure_of_somebody_else_brings_no_markup_into_the_page(tmp_path):
    other = go.Figure(layout={"meta": {"title": "</title><script>alert(1)</script>", "caption": ["<img src=x>"]}})
    text = plots.save(other, tmp_path / "other.html").read_text()
    assert "alert(1)</script>" not in text
    assert "<img" not in text.partition("<p>")[2].partition("</p>")[0]


def test_what_cannot_be_written_is_said(figure, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="saved as .html or as an image"):
        plots.save(figure, tmp_path / "figure.docx")
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        plots.save(figure, tmp_path / "none" / "figure.html")
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "scope_widgets.plots.save_figure.find_spec", lambda name: None if name == "kaleido" else found(name)
    )
    with pytest.raises(ModuleNotFoundError, match=r"needs the package kaleido, .*'figure.html' needs nothing"):
        plots.save(figure, tmp_path / "figure.png")
    assert not list(tmp_path.iterdir())


def test_an_image_takes_the_place_of_another_whole(figure, tmp_path, monkeypatch):
    monkeypatch.setattr("scope_widgets.plots.save_figure.find_spec", lambda name: object())
    monkeypatch.setattr(go.Figure, "to_image", lambda self, format, scale: f"{format} {scale}".encode())
    assert plots.save(figure, tmp_path / "one.jpeg").read_bytes() == b"jpg 2"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<b>bold</b>", "&lt;b&gt;bold&lt;/b&gt;"),
        ("a<br>b", "a&lt;br&gt;b"),
        ('<a href="javascript:alert(1)">x</a>', '&lt;a href="javascript:alert(1)"&gt;x&lt;/a&gt;'),
        ("&lt;", "&amp;lt;"),
        ("$x^2$", "&#36;x^2&#36;"),
        ("%{x}", "&#37;{x}"),
    ],
)
def test_texts_are_literal(text, expected):
    assert literal(text) == expected


def test_tokens_show_what_is_not_seen():
    assert token_label(" John") == "·John"
    assert token_label("\n\n") == "⏎⏎"
    assert token_label("\t<b>") == "⇥&lt;b&gt;"
    assert len(token_label("x" * 10**6)) == 40
    assert shortened("many  words\nand more of them", 12) == "many words …"


def test_lines_are_broken_at_spaces_by_what_is_seen():
    assert wrapped("aa bb cc", 5) == ["aa bb", "cc"]
    assert wrapped("&lt;a&gt; &lt;b&gt; c", 7) == ["&lt;a&gt; &lt;b&gt;", "c"]
