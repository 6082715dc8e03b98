"""A saved notebook where scripts and style are taken away, as GitHub does; GitHub's own renderer cannot run here."""

import pytest

from tests.browser.test_hosts import SAVED_PICTURE
from tests.support.every_view import every_view
from tests.support.guarded_page import guarded_page
from tests.support.saved_notebook import saved_notebook

bleach = pytest.importorskip("bleach", reason="bleach, which nbconvert brings, is not installed.")

#: of the list that GitHub's public sanitizer (html-pipeline) lets pass: what a still is made of
ELEMENTS = ["b", "div", "figcaption", "figure", "img", "pre", "span", "table", "tbody", "td", "th", "thead", "tr"]
PAGE = """<!doctype html><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'none'">{}"""


def sanitised(html):
    # what it removes with all that is in it
    outside = [part.split("</style>")[-1] for part in html.split("<style")]
    cleaned = bleach.clean(
        "".join(outside), tags=ELEMENTS, attributes={"img": ["src", "alt"]}, protocols=["data"], strip=True
    )
    assert "style" not in cleaned
    assert "script" not in cleaned
    return cleaned


def test_each_view_leaves_a_picture_or_a_table(browser, screenshot):
    views = every_view()
    parts = []
    for cell in saved_notebook(views.values()).cells:
        living, still = (output.data for output in cell.outputs)
        assert living["text/html"] == "", "Above the still there is nothing."
        assert "<img" in still["text/html"] or "<table" in still["text/html"], cell.source
        parts.append(f"<section>{sanitised(still['text/html'])}")
        if png := still.get("image/png"):  # for what shows no HTML
            parts.append(f'<img alt="" src="data:image/png;base64,{png}">')
        parts.append("</section>")
    with guarded_page(browser) as page:
        page.set_content(PAGE.format("".join(parts)))
        sections = page.locator("section")
        for view, section in zip(views.values(), sections.all(), strict=True):
            text = section.inner_text()
            assert view.title in text
            assert SAVED_PICTURE in text
            assert "{" not in text, "The text of a sheet is shown."
        images = page.locator("img").evaluate_all("all => all.map(one => [one.complete, one.naturalWidth > 20])")
        assert images
        assert all(map(all, images))
        screenshot(page, "github", compared=False)
