from __future__ import annotations

import itertools

import pytest

from lifeline.alarms.lifecycle import MARKS, TRANSITIONS, Act, IllegalActError, State, diagram, step


@pytest.mark.parametrize(("state", "act"), itertools.product(State, Act))
def test_every_pair_is_in_the_table_or_illegal(state: State, act: Act) -> None:
    if (state, act) in TRANSITIONS:
        assert step(state, act) in State
    elif act in MARKS:
        assert step(state, act) is state
    else:
        with pytest.raises(IllegalActError, match=f"cannot {act} an alarm that is {state}"):
            step(state, act)


def test_every_state_can_be_reached_and_left() -> None:
    assert {state for state, _ in TRANSITIONS} == set(State)
    assert set(TRANSITIONS.values()) == set(State)


def test_getting_worse_or_coming_back_is_never_acknowledged() -> None:
    news = [after for (_, act), after in TRANSITIONS.items() if act in {Act.RAISE, Act.WORSEN}]
    assert set(news) == {State.RAISED}


def test_the_diagram_is_the_table() -> None:
    assert "raised_acknowledged --> cleared_acknowledged: clear" in diagram()
    assert diagram().count("-->") == len(TRANSITIONS) + 1
