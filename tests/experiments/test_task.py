"""Tasks that cannot be."""

import pytest

from scope_widgets import circuits


def test_a_token_cannot_be_right_and_wrong(demo):
    with pytest.raises(ValueError, match="Pair 1: .* stands in answer= and in versus="):
        circuits.Task.of(demo, [[5, 6]] * 2, [[5, 7]] * 2, answer=[[8, 9], [8, 9]], versus=[[10], [9]])


def test_a_task_whose_answer_is_not_in_the_prompt_is_refused(demo, ioi_circuit):
    task = circuits.Task.of(demo, [[5, 6, 7]] * 3, [[5, 8, 7]] * 3, answer=9, versus=10)
    with pytest.raises(ValueError, match="asks for a token that its prompt does not hold"):
        circuits.induction_circuit(demo, task)
