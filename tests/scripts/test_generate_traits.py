"""The traits that the browser knows are those of today: a trait that is renamed fails the check."""

import importlib.util
from pathlib import Path

import pytest
import traitlets

from scope_widgets.widgets import HeadTable
from scope_widgets.widgets.core.view import View

SCRIPT = Path(__file__).parents[2] / "scripts" / "generate_traits.py"
spec = importlib.util.spec_from_file_location("generate_traits", SCRIPT)
generate_traits = importlib.util.module_from_spec(spec)
spec.loader.exec_module(generate_traits)


def changed(**traits: object) -> str:
    """Return what the check says when a view has these traits beside its own; None takes one away."""
    own = generate_traits.synced(HeadTable) | traits
    renamed = type("HeadTable", (View,), {name: trait for name, trait in own.items() if trait is not None})
    classes = [renamed if cls is HeadTable else cls for cls in generate_traits.views()]
    return str(generate_traits.difference(generate_traits.TARGET.read_text(encoding="utf-8"), classes))


def test_the_file_is_up_to_date():
    assert generate_traits.main(["--check"]) == 0


def test_a_trait_that_is_renamed_fails_the_check():
    assert changed() == ""
    said = changed(strip_queries=None, strip_query_positions=traitlets.List(traitlets.Int()).tag(sync=True))
    assert said.splitlines() == ["- strip_queries: number[];", "+ strip_query_positions: number[];"]


def test_a_trait_of_another_type_fails_the_check():
    assert "+ n_rows: number | null;" in changed(n_rows=traitlets.Int(None, allow_none=True).tag(sync=True))


def test_the_check_names_the_file_and_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(generate_traits, "TARGET", generate_traits.ROOT / "js" / "src" / "generated" / "none.ts")
    assert generate_traits.main(["--check"]) == 1
    assert "run `make traits`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("trait", "type_"),
    [
        (traitlets.Enum(["linear", "log"]), '"linear" | "log"'),
        (traitlets.List(traitlets.Float(), None, allow_none=True, minlen=2, maxlen=2), "[number, number] | null"),
        (traitlets.List(traitlets.Int(None, allow_none=True)), "(number | null)[]"),
        (traitlets.Dict(value_trait=traitlets.Bool()), "Record<string, boolean>"),
        (traitlets.TraitType(None, allow_none=True), "any"),
    ],
)
def test_types(trait, type_):
    assert generate_traits.type_of(trait) == type_


def test_an_unknown_kind_is_refused():
    with pytest.raises(TypeError, match="add it to"):
        generate_traits.type_of(traitlets.Complex())
