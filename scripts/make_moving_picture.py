"""Make the moving picture of the front page: a real view in a real browser, joined to its model, touched by a pointer.

``python -m scripts.make_moving_picture`` writes docs/pictures/moving.webp. It needs Chromium, playwright and pillow, as
the tests do. Nothing is drawn beside the view but the pointer and the words below.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

OUT = Path(__file__).parents[1] / "docs" / "pictures" / "moving.webp"
#: pixels; bytes that the picture may have, in a README and on the front page
WIDTH, HEIGHT, MOST = 1000, 600, 400_000
PROMPT = "When Mary and John went to the store, John gave a drink to"
#: milliseconds: of a frame in which the pointer moves, a glance, and a sentence to read
STEP, GLANCE, READ = 50, 500, 2600
_POINTER = (
    "%3Csvg xmlns='http://www.w3.org/2000/svg' width='18' height='26'%3E%3Cpath d='M1 1v20l5-4 3 8 4-2-3-7h7z'"
    " fill='%23111' stroke='%23fff' stroke-width='1.4'/%3E%3C/svg%3E"
)
_STAGE = """(arrow) => {
  const pointer = document.createElement('div');
  pointer.id = 'pointer';
  pointer.style.cssText = 'position:fixed;z-index:99;pointer-events:none;left:0;top:0;width:18px;height:26px;' +
    `background:url("data:image/svg+xml,${arrow}")`;
  const words = document.createElement('p');
  words.id = 'words';
  words.style.cssText = 'position:fixed;left:0;right:0;bottom:0;margin:0;padding:11px 18px;background:#14324f;' +
    'color:#fff;font:600 17px system-ui,sans-serif;z-index:9';
  document.body.append(pointer, words);
}"""


class Film:
    """Frames of a page, each with how long it stays."""

    def __init__(self, page: Any) -> None:
        self.page, self.frames, self.durations = page, [], []
        self.at = (WIDTH - 120.0, HEIGHT - 90.0)
        page.evaluate(_STAGE, _POINTER)
        self._point(self.at)

    def take(self, milliseconds: int) -> None:
        """Take a frame, once what was asked is answered and drawn."""
        from PIL import Image

        from tests.support import view_page

        view_page.frame(self.page)
        view_page.rested(self.page)
        shot = self.page.screenshot(animations="disabled", caret="hide")
        self.frames.append(Image.open(io.BytesIO(shot)).convert("RGB"))
        self.durations.append(milliseconds)

    def say(self, words: str, milliseconds: int = READ) -> None:
        """Put words below, and leave time to read them."""
        self.page.evaluate("(words) => { document.getElementById('words').textContent = words; }", words)
        self.take(milliseconds)

    def move(self, to: tuple[float, float], steps: int = 9) -> None:
        """Move the pointer, slowly at both ends."""
        (x, y), (to_x, to_y) = self.at, to
        for step in range(1, steps + 1):
            share = step / steps
            eased = share * share * (3 - 2 * share)
            self._point((x + eased * (to_x - x), y + eased * (to_y - y)))
            self.take(STEP)
        self.at = to

    def click(self) -> None:
        """Click where the pointer is."""
        self.page.mouse.click(*self.at)
        self.take(GLANCE)

    def _point(self, to: tuple[float, float]) -> None:
        self.page.mouse.move(*to)
        self.page.evaluate(
            "([x, y]) => { document.getElementById('pointer').style.transform = `translate(${x}px, ${y}px)`; }", to
        )


def middle(locator: Any) -> tuple[float, float]:
    """Return the middle of an element, in pixels of the page."""
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def shoot(page: Any, address: str) -> Film:
    """Show the view on a page, touch it, and return the frames."""
    from scope_widgets import Microscope, heads, widgets
    from tests.support import view_page

    scope = Microscope.load("demo")
    labels = heads.label(heads.score_repeated_tokens(scope))
    selection = widgets.Selection()
    # the question whose answer is watched; the panel itself is not shown
    widgets.SteeringPanel(scope, PROMPT, answer=" Mary", versus=" John", selection=selection)
    view = widgets.AttentionView(scope.trace(PROMPT), labels=labels, selection=selection)
    (place,) = view_page.mounted(page, address, view, width=WIDTH - 40)
    film = Film(page)
    film.say("Who gets the drink? Every head of the model, on one prompt.")
    grid = place.locator(".av-frames").bounding_box()
    x, y = (grid[side] + grid[size] * share for side, size, share in (("x", "width", 0.37), ("y", "height", 0.87)))
    film.move((x, y), 14)
    film.click()
    film.say("Head 3.1, opened: at the last word it looks at “Mary”.")
    film.move(middle(place.get_by_role("button", name="Ablate")))
    film.say("Looking is not doing. So take it out …", READ // 2)
    film.click()
    x, y = middle(place.locator(".sw-touch-numbers"))
    film.move((x, y + 26), 7)  # below what is to be read
    film.say("… and the model, run again at once, no longer says “Mary”.", 2 * READ)
    return film


def main() -> None:
    """Make the picture, and say how large it is."""
    from playwright.sync_api import sync_playwright

    from tests.support import view_page

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    with view_page.served() as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=view_page.chromium(), args=view_page.FLAGS)
        page = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}).new_page()
        page.add_init_script(path=view_page.TIMERS)
        film = shoot(page, address)
        browser.close()
    first, *others = film.frames
    first.save(
        options.out, save_all=True, append_images=others, duration=film.durations, loop=0, lossless=True, method=4
    )
    size = options.out.stat().st_size
    print(f"{options.out}: {len(film.frames)} frames, {sum(film.durations) / 1000:.1f} s, {size / 1000:.0f} kB")
    if size > MOST:
        raise SystemExit(f"That is more than {MOST / 1000:.0f} kB: take fewer steps, or a smaller window.")


if __name__ == "__main__":
    main()
