"""The gallery's script: its first blocks of code make their pictures."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image

from scripts import make_gallery


def test_the_first_blocks_make_their_pictures(browser: Any, tmp_path: Path) -> None:
    made = list(islice(make_gallery.figures(), 3))
    assert [stem for stem, _ in made] == [stem for _, stem in make_gallery.blocks() if stem][:3]
    assert make_gallery.draw(browser, made, tmp_path) > 5000
    for stem, _ in made:
        drawn, stored = (Image.open(folder / f"{stem}.png") for folder in (tmp_path, make_gallery.GALLERY))
        assert drawn.size == stored.size
        assert len(drawn.convert("RGB").getcolors(10**6)) > 20
