"""Run the code of docs/gallery/README.md, and make the pictures below it: a PNG of every kind of figure."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

GALLERY = Path(__file__).parents[1] / "docs" / "gallery"
WIDTH = 760
#: a block of code, and the picture of the figure that it makes where there is one
_BLOCK = re.compile(r"```python\n(.*?)```(?:\n\n!\[[^\]]*\]\((\w+)\.png\))?", re.DOTALL)


def blocks() -> list[tuple[str, str]]:
    """Return the blocks of code of the gallery, each with the stem of its picture, or ""."""
    return _BLOCK.findall((GALLERY / "README.md").read_text(encoding="utf-8"))


def figures() -> Iterator[tuple[str, Any]]:
    """Run the blocks one after the other, and yield the stem and the figure of each that makes one."""
    space: dict[str, Any] = {}
    for code, stem in blocks():
        with contextlib.redirect_stderr(io.StringIO()):  # bars of progress
            exec(compile(code, f"docs/gallery, {stem or 'setup'}", "exec"), space)
        if stem:
            yield stem, space["figure"]


def draw(browser: Any, made: Iterable[tuple[str, Any]], folder: Path) -> int:
    """Write a PNG of each figure, as a browser of Playwright draws it without a network; return their size in bytes."""
    from PIL import Image
    from plotly.offline import get_plotlyjs

    size = 0
    tab = browser.new_context(viewport={"width": WIDTH, "height": 1200}, offline=True).new_page()
    tab.set_content("<body style='margin:0'><div id='plot'></div></body>")
    tab.add_script_tag(content=get_plotlyjs())
    for stem, figure in made:
        figure.update_layout(width=WIDTH)
        tab.evaluate(
            "(text) => { const one = JSON.parse(text); Plotly.purge('plot');"
            "return Plotly.newPlot('plot', one.data, one.layout, {staticPlot: true}).then(() => true); }",
            figure.to_json(),
        )
        shot = tab.locator("#plot .svg-container").screenshot()
        image = Image.open(io.BytesIO(shot)).convert("RGB").quantize(255, dither=Image.Dither.NONE)
        image.save(folder / f"{stem}.png", optimize=True)
        size += (folder / f"{stem}.png").stat().st_size
    tab.context.close()
    return size


def main() -> None:
    """Make the pictures."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=GALLERY)
    parser.add_argument("--only", nargs="*", help="stems of pictures")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    made = ((stem, figure) for stem, figure in figures() if options.only is None or stem in options.only)
    path = os.environ.get("SCOPE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        size = draw(browser, made, options.folder)
        browser.close()
    print(f"{options.folder}: {size / 1e6:.2f} MB of pictures")


if __name__ == "__main__":
    main()
