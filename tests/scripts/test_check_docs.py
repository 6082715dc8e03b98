"""Links of the documentation: what the crawler finds in a site, and how links are turned from the repository's."""

from pathlib import Path

from scripts.build_docs import ROOT, links, live
from scripts.check_docs import dead


def test_dead_links_and_anchors_are_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<p id="here"><a href="#here"></a><a href="b.html#there"></a><a href="https://x.org/none"></a>'
        '<a href="#gone"></a><a href="b.html#gone"></a><a href="c.html"></a><img src="../up.png">'
    )
    (tmp_path / "b.html").write_text('<h1 id="there"></h1><a href="a.html"></a>')
    assert [one.removeprefix("a.html: ") for one in dead(tmp_path)] == [
        "#gone has no such anchor",
        "b.html#gone has no such anchor",
        "c.html leads nowhere",
        "../up.png leads out of the site",
    ]


def test_links_hold_in_the_repository_and_on_the_site():
    page = ROOT / "docs/decisions/views.md"

    def turned(text):
        return links(text, page, Path("decisions/views.md"))

    assert turned("[a](../glossary.md#words)") == "[a](../glossary.md#words)"
    assert turned("[a](../../README.md)") == "[a](../index.md)"
    assert turned("[a](../../notebooks/ioi.ipynb)") == "[a](../notebooks/ioi.ipynb)"
    assert turned("[the setup](../../setup.py)") == "the setup (`setup.py`)"
    assert turned("[a](https://x.org) [b](#c)") == "[a](https://x.org) [b](#c)"
    notebook = links("[a](../docs/glossary.md)", ROOT / "notebooks/ioi.ipynb", Path("notebooks/ioi.ipynb"))
    assert notebook == "[a](../glossary.md)"


def test_stills_of_a_repository_are_live_on_the_site():
    page = live("# A\n\n```python\nview\n```\n\n![What it shows](pictures/token_view.svg)\n\nMore.\n")
    assert page.endswith("---\n# A\n\n```{code-cell} python\nview\n```\n\nMore.\n")


def test_links_of_the_sources_lead_somewhere():
    """On a repository's pages too, where nothing is built."""
    import re

    from scripts.build_docs import _LINK

    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.S)
        for picture, _, address in _LINK.findall(text):  # pictures are held by the tests of those who draw them
            if not picture and not re.match(r"\w+:|#", address):
                assert (page.parent / address.partition("#")[0]).exists(), f"{page.relative_to(ROOT)}: {address}"
