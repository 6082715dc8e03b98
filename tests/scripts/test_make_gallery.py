"""The gallery: its code makes its pictures, which are all there and small."""

import re

from scope_widgets import plots
from scripts import make_gallery

STEMS = [stem for _, stem in make_gallery.blocks() if stem]


def test_every_picture_is_there_and_no_other():
    assert sorted(one.stem for one in make_gallery.GALLERY.glob("*.png")) == sorted(STEMS)
    assert len(set(STEMS)) == len(STEMS)
    named = re.findall(r"\((\w+)\.png\)", (make_gallery.GALLERY / "README.md").read_text(encoding="utf-8"))
    assert named == STEMS
    assert sum(one.stat().st_size for one in make_gallery.GALLERY.glob("*.png")) < 1_500_000


def test_the_code_of_every_block_is_python():
    for code, stem in make_gallery.blocks():
        compile(code, stem or "setup", "exec")


def test_every_kind_of_figure_is_in_it():
    """Those that are left out are of a part of the package that takes minutes to show, or a fall-back."""
    code = "\n".join(code for code, _ in make_gallery.blocks())
    shown = {name for name in plots.__all__ if name in STEMS or f"plots.{name}(" in code}
    by_another_name = {
        "attention": "attention_heads",
        "circuit": "circuit",
        "ranked_heads": "recall_heads",
    }
    assert all(stem in STEMS for stem in by_another_name.values())
    assert set(plots.__all__) - shown - set(by_another_name) == {
        "attribution_graph",
        "latent_faithfulness",
        "save",
        "table",
    }
