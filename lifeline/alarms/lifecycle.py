"""The life of an alarm, as a table.

An alarm is raised by conditions and acknowledged by people; the two run side by side (X.733 8.1, RFC 8632 4.3, 4.4):

- The resource life: raised while any reporter holds the condition, cleared when all have cleared it. A cleared alarm
  that is raised again is the same alarm, with its history.
- The operator life: unacknowledged until somebody says "seen". Raising again, or getting worse, is news and asks for
  a new acknowledgement; easing and clearing are not.

Shelving and notes concern neither life: they are possible in each state and change none.

What the table does not list is illegal: it raises and changes nothing.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where an alarm stands."""

    RAISED = "raised"
    RAISED_ACKNOWLEDGED = "raised-acknowledged"
    CLEARED = "cleared"
    CLEARED_ACKNOWLEDGED = "cleared-acknowledged"


class Act(StrEnum):
    """What happens to an alarm."""

    RAISE = "raise"  # a condition holds that did not
    WORSEN = "worsen"  # perceived severity went up
    EASE = "ease"  # perceived severity went down
    UPDATE = "update"  # same severity, another text or reporter
    CLEAR = "clear"  # the last reporter has cleared it
    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    SHELVE = "shelve"  # an operator puts it aside for a time
    UNSHELVE = "unshelve"
    NOTE = "note"  # an operator writes something on it


class IllegalActError(ValueError):
    """The act is not possible in the alarm's state, or not at all; nothing has changed."""


TRANSITIONS: dict[tuple[State, Act], State] = {
    (State.RAISED, Act.WORSEN): State.RAISED,
    (State.RAISED, Act.EASE): State.RAISED,
    (State.RAISED, Act.UPDATE): State.RAISED,
    (State.RAISED, Act.CLEAR): State.CLEARED,
    (State.RAISED, Act.ACKNOWLEDGE): State.RAISED_ACKNOWLEDGED,
    (State.RAISED_ACKNOWLEDGED, Act.WORSEN): State.RAISED,
    (State.RAISED_ACKNOWLEDGED, Act.EASE): State.RAISED_ACKNOWLEDGED,
    (State.RAISED_ACKNOWLEDGED, Act.UPDATE): State.RAISED_ACKNOWLEDGED,
    (State.RAISED_ACKNOWLEDGED, Act.CLEAR): State.CLEARED_ACKNOWLEDGED,
    (State.RAISED_ACKNOWLEDGED, Act.UNACKNOWLEDGE): State.RAISED,
    (State.CLEARED, Act.RAISE): State.RAISED,
    (State.CLEARED, Act.ACKNOWLEDGE): State.CLEARED_ACKNOWLEDGED,
    (State.CLEARED_ACKNOWLEDGED, Act.RAISE): State.RAISED,
    (State.CLEARED_ACKNOWLEDGED, Act.UNACKNOWLEDGE): State.CLEARED,
}

MARKS = frozenset({Act.SHELVE, Act.UNSHELVE, Act.NOTE})
"""Operators' acts that leave the state as it is."""
INITIAL = State.CLEARED
"""An alarm nobody has raised yet; its first act is RAISE."""


def step(state: State, act: Act) -> State:
    """Return the state after an act.

    Raises:
        IllegalActError: the table has no such transition.
    """
    if act in MARKS:
        return state
    try:
        return TRANSITIONS[state, act]
    except KeyError:
        raise IllegalActError(f"cannot {act} an alarm that is {state}") from None


def diagram() -> str:
    """Return the table as a Mermaid state diagram, for the documentation."""
    lines = ["stateDiagram-v2", f"    [*] --> {_node(INITIAL)}"]
    lines += [f"    {_node(a)} --> {_node(b)}: {act}" for (a, act), b in TRANSITIONS.items()]
    return "\n".join(lines)


def _node(state: State) -> str:
    return state.value.replace("-", "_")
