"""Where in the prompt edges act."""

import numpy as np
import pytest

from scope_widgets import circuits, ioi


def test_positions_sum_to_the_whole_and_are_where_the_circuit_is_known_to_act(demo, ioi_circuit):
    prompts = ioi.prompts(demo, n=20, seed=0)
    split = circuits.by_position(demo, ioi_circuit.keep(8), positions=prompts.positions)
    table = split.to_dataframe().set_index(["sender", "receiver"])
    assert table.loc[("m0", "a2.h2<v>")].idxmax() in ("score", "S2")
    assert table.loc[("a2.h2", "a3.h1<q>"), "END"] == pytest.approx(table.loc[("a2.h2", "a3.h1<q>"), "score"])
    one = circuits.by_position(demo, ioi_circuit.keep(8), task=prompts[:1].task("s2_io"), steps=0).to_dataframe()
    np.testing.assert_allclose(one.iloc[:, 3:].to_numpy().sum(1), one["score"], atol=1e-4)
    with pytest.raises(ValueError, match="give positions=, such as prompts.positions"):
        circuits.by_position(demo, ioi_circuit)
    with pytest.raises(ValueError, match="Role 'S2' must have one position for each of the 20 prompts"):
        circuits.by_position(demo, ioi_circuit, positions={"S2": [1, 2]})
