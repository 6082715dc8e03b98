"""What is plotted of a result that has a table and no figure."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest

from scope_widgets._provenance import Provenance
from scope_widgets._result import Result


@dataclass(frozen=True, eq=False, repr=False)
class Plain(Result):
    table: pd.DataFrame
    provenance: Provenance = field(default_factory=lambda: Provenance(model="made-up", prompts=("a",)))

    def to_dataframe(self):
        return self.table


TABLE = pd.DataFrame(
    {
        "layer": [0, 1],
        "name": ["<b>x</b>", "y"],
        "found": [True, False],
        "share": [0.2, 0.5],
        "low": [0.1, 0.3],
        "high": [0.4, 0.6],
        "p": [0.01, 0.2],
    }
)


def test_the_first_numbers_that_name_no_row_are_drawn_with_their_interval():
    figure = Plain(TABLE).plot()
    dots = figure.data[0]
    np.testing.assert_array_equal(dots.x, TABLE["share"])
    np.testing.assert_allclose(np.add(dots.x, dots.error_x.array), TABLE["high"])
    np.testing.assert_allclose(np.subtract(dots.x, dots.error_x.arrayminus), TABLE["low"])
    assert figure.layout.title.text.startswith("Plain: share of its table, made-up")
    assert figure.layout.yaxis.labelalias == {"0": "0 &lt;b&gt;x&lt;/b&gt;", "1": "1 y"}


def test_another_column_has_no_interval_of_the_first():
    dots = Plain(TABLE).plot("p").data[0]
    np.testing.assert_array_equal(dots.x, TABLE["p"])
    assert dots.error_x.array is None


def test_rows_beyond_the_most_are_counted():
    many = pd.DataFrame({"value": np.arange(90.0)})
    figure = Plain(many).plot(n=12)
    assert len(figure.data[0].x) == 12
    assert "the first 12 of 90 rows" in figure.layout.title.text


def test_a_table_without_numbers_is_drawn_as_a_table():
    figure = Plain(pd.DataFrame({"name": ["<b>$x$</b>", "y"], "said": ["a " * 90, ""]})).plot()
    drawn = figure.data[0]
    assert drawn.type == "table"
    assert [text.strip("<b>/") for text in drawn.header["values"]] == ["name", "said"]
    assert list(drawn.cells["values"][0]) == ["&lt;b&gt;&#36;x&#36;&lt;/b&gt;", "y"]
    assert figure.layout.height > Plain(pd.DataFrame({"name": ["x", "y"]})).plot().layout.height
    with pytest.raises(ValueError, match="has no column of numbers 'name': it has none"):
        Plain(pd.DataFrame({"name": ["a"]})).plot("name")
    with pytest.raises(ValueError, match="no column of numbers 'name': it has layer, share, low, high, p"):
        Plain(TABLE).plot("name")
