"""Who is told what and when: one cause is one message, and nobody is told the same thing twice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noc.notify import wording
from noc.notify.config import Notifications, Receiver, Route, Step, Webhook
from noc.notify.pipeline import FLAP_S, LIST_MAX, Message, Pipeline, Standing
from noc.notify.senders import line

T0 = 1_800_000_000.0
RANKS = {"warning": 1, "minor": 3, "major": 4, "critical": 5}


def alarm(name: str = "path-down.link.a", severity: str = "major", **changes: Any) -> Standing:
    fields: dict[str, Any] = {
        "id": name, "resource": "link:a", "alarm_type_id": "path-down", "severity": severity, "rank": RANKS[severity],
        "event_type": "communicationsAlarm", "probable_cause": "lossOfSignal", "text": "a is lost",
        "raised_at_ns": int(T0 * 1e9), "consequences": 0, "is_root": True, "quiet": False, "acknowledged": False,
    }  # fmt: skip
    return Standing(**(fields | changes))


def pipeline(memory: dict[str, Any] | None = None, **route: Any) -> Pipeline:
    receivers = {name: Receiver(webhook=Webhook("http://x")) for name in ("duty", "chief")}
    route = {"receiver": "duty", "wait_s": 3.0, "repeat_s": 3600.0} | route
    return Pipeline(Notifications(lifeline_notifications=1, receivers=receivers, routes=[Route(**route)]), memory)


def told(messages: list[Message]) -> list[tuple[str, str, int]]:
    return [(message.receiver, message.why, len(message.alarms) + message.more) for message in messages]


def test_an_alarm_is_told_once_it_has_stood_for_a_while_and_then_when_it_is_over() -> None:
    pipe = pipeline()
    assert pipe.observe([alarm()], T0) == []
    assert pipe.next_deadline() == T0 + 3
    assert told(pipe.observe([alarm()], T0 + 3)) == [("duty", "raised", 1)]
    assert pipe.observe([alarm()], T0 + 60) == []
    assert pipe.observe([], T0 + 90) == []
    assert pipe.next_deadline() == T0 + 90 + FLAP_S
    assert told(pipe.observe([], T0 + 90 + FLAP_S)) == [("duty", "resolved", 1)]
    assert pipe.observe([], T0 + 91 + FLAP_S) == []


def test_what_turns_out_to_follow_from_another_is_never_told() -> None:
    pipe = pipeline()
    pipe.observe([alarm()], T0)
    root = alarm("duct-cut.srg.d", "critical", resource="srg:d")
    assert pipe.observe([alarm(is_root=False), root], T0 + 2) == []
    assert [m.alarms[0].id for m in pipe.observe([alarm(is_root=False), root], T0 + 9)] == [root.id]


@pytest.mark.parametrize("changes", [{"quiet": True}, {"is_root": False}, {"severity": "minor"}])
def test_what_is_shelved_follows_or_is_minor_is_not_told(changes: dict[str, Any]) -> None:
    pipe = pipeline()
    for second in range(20):
        assert pipe.observe([alarm(**changes)], T0 + second) == []


def test_only_the_routes_resources_are_told() -> None:
    pipe = pipeline(resources=["power:"], wait_s=0.0)
    assert pipe.observe([alarm()], T0) == []
    assert told(pipe.observe([alarm(resource="power:x")], T0)) == [("duty", "raised", 1)]


def test_getting_worse_is_news_and_easing_is_not() -> None:
    pipe = pipeline(wait_s=0.0)
    pipe.observe([alarm()], T0)
    assert told(pipe.observe([alarm(severity="critical")], T0 + 5)) == [("duty", "worse", 1)]
    assert pipe.observe([alarm(severity="major")], T0 + 6) == []


def test_what_nobody_acknowledges_is_told_again_and_escalated() -> None:
    pipe = pipeline(wait_s=0.0, repeat_s=600.0, escalate=[Step(after_s=900.0, receiver="chief")])
    seen = [(second, one) for second in range(0, 2000, 10) for one in told(pipe.observe([alarm()], T0 + second))]
    assert seen == [
        (0, ("duty", "raised", 1)), (600, ("duty", "again", 1)), (900, ("chief", "escalated", 1)),
        (1200, ("duty", "again", 1)), (1800, ("duty", "again", 1)),
    ]  # fmt: skip


def test_an_acknowledged_alarm_is_left_alone() -> None:
    pipe = pipeline(wait_s=0.0, repeat_s=60.0, escalate=[Step(after_s=90.0, receiver="chief")])
    pipe.observe([alarm()], T0)
    assert all(pipe.observe([alarm(acknowledged=True)], T0 + second) == [] for second in range(1, 500, 10))


def test_a_flapping_alarm_is_told_once_and_is_over_when_it_stays_so() -> None:
    pipe = pipeline(wait_s=0.0)
    seen = []
    for second in range(0, 200, 10):
        seen += told(pipe.observe([alarm()] if second % 20 else [], T0 + second))
    assert seen == [("duty", "raised", 1)]
    pipe.observe([], T0 + 200)
    assert told(pipe.observe([], T0 + 200 + FLAP_S)) == [("duty", "resolved", 1)]
    assert told(pipe.observe([alarm()], T0 + 201 + FLAP_S)) == [("duty", "raised", 1)], "that is a new trouble"


def test_a_restart_tells_nothing_twice() -> None:
    pipe = pipeline(wait_s=0.0)
    pipe.observe([alarm()], T0)
    again = pipeline(json.loads(json.dumps(pipe.memory_json())), wait_s=0.0)
    assert again.observe([alarm()], T0 + 30) == []
    again.observe([], T0 + 40)
    assert told(again.observe([], T0 + 40 + FLAP_S)) == [("duty", "resolved", 1)]


@pytest.mark.parametrize(("group_by", "messages"), [("alarm", 200), ("kind", 2), ("all", 1)])
def test_alarms_share_messages(group_by: str, messages: int) -> None:
    alarms = [alarm(f"a{n}", resource=f"{'link' if n % 2 else 'site'}:{n}") for n in range(200)]
    found = pipeline(group_by=group_by, wait_s=0.0).observe(alarms, T0)
    assert len(found) == messages
    assert sum(len(it.alarms) + it.more for it in found) == 200
    assert all(len(it.alarms) <= LIST_MAX for it in found)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(list(RANKS)), st.integers(1, 50)), max_size=30))
def test_each_raising_that_is_told_ends_before_the_next_is(steps: list[tuple[bool, str, int]]) -> None:
    pipe, now_s, open_ = pipeline(wait_s=0.0, least="warning"), T0, False
    for stands, severity, seconds in steps:
        now_s += seconds
        for _receiver, why, _count in told(pipe.observe([alarm(severity=severity)] if stands else [], now_s)):
            assert (why in ("worse", "resolved")) is open_, "what was told is told again only for a reason"
            open_ = why != "resolved"


# ---------------------------------------------------------------- words


def test_the_subject_says_it_all() -> None:
    message = Message("duty", "worse", (alarm(text="fibre-a\nis lost"), alarm("b")), more=3)
    assert wording.subject(message) == "WORSE: [major] fibre-a is lost (and 4 more)"
    assert "path-down.link.a, since 2027-01-15T08:00:00Z" in wording.body(message, "noc-a/hub")
    assert wording.document(message, "noc-a/hub")["more"] == 3


def test_a_syslog_message_is_rfc_5424_with_rfc_5674_data() -> None:
    it = alarm(resource='device:a/x"]\\', text="lost")
    assert line(it, "raised", "noc-a/hub") == (
        b"<131>1 2027-01-15T08:00:00.000+00:00 noc-a lifeline - raised "
        b'[alarm resource="device:a/x\\"\\]\\\\" probableCause="lossOfSignal" perceivedSeverity="major" '
        b'eventType="communicationsAlarm"] lost'
    )
    assert b'perceivedSeverity="cleared"' in line(it, "resolved", "noc-a/hub")
