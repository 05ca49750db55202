"""The wire's records: what is wrong is named, and nothing wrong gets in."""

from __future__ import annotations

from typing import Any

import pytest

from lifeline.model.records import Condition, Event, EventKind, EventType, PerceivedSeverity, ProbableCause

CONDITION = Condition(
    subject="link:fibre-dongcheng",
    name="path-down",
    perceived_severity=PerceivedSeverity.MAJOR,
    event_type=EventType.COMMUNICATIONS,
    probable_cause=ProbableCause.LOSS_OF_SIGNAL,
    text="gone",
    detail={"diag": 1},
)
EVENT = Event("sbs-dongcheng/agent", "b1", 7, 1, EventKind.CONDITION, CONDITION.subject, CONDITION.to_body())


def test_an_event_survives_the_wire() -> None:
    assert Event.from_json(EVENT.to_json()) == EVENT
    assert Condition.from_body(EVENT.body) == CONDITION


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seq": "7"}, "seq is '7', must be int"),
        ({"seq": True}, "seq is True, must be int"),
        ({"kind": "gossip"}, "'gossip' is not a valid EventKind"),
        ({"body": []}, "body is \\[\\], must be Mapping"),
        ({"node": None}, "node is None, must be str"),
    ],
)
def test_a_wrong_value_is_named(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Event.from_json(EVENT.to_json() | change)


@pytest.mark.parametrize("missing", ["node", "boot_id", "seq", "observed_at_ns", "kind", "subject", "body"])
def test_a_missing_key_is_named(missing: str) -> None:
    data = EVENT.to_json()
    del data[missing]
    with pytest.raises(ValueError, match=missing):
        Event.from_json(data)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"perceived_severity": "awful"}, "awful"),
        ({"probable_cause": "moon"}, "moon"),
        ({"detail": 3}, "detail is 3, must be an object"),
    ],
)
def test_a_wrong_condition_is_named(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Condition.from_body(CONDITION.to_body() | change)


def test_unknown_ranks_above_warning_because_it_is_never_healthy() -> None:
    ranked = sorted(PerceivedSeverity, key=lambda severity: severity.rank)
    assert [it.value for it in ranked] == ["cleared", "warning", "indeterminate", "minor", "major", "critical"]
