from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifeline.alarms import Alarm, AlarmChange, AlarmList, IllegalActError, alarm_id
from lifeline.alarms.alarm import HISTORY_LIMIT
from lifeline.alarms.lifecycle import Act, State
from lifeline.model.records import (
    Condition,
    Event,
    EventKind,
    EventType,
    PerceivedSeverity,
    ProbableCause,
    StoredEvent,
)

MAJOR, MINOR, CRITICAL = PerceivedSeverity.MAJOR, PerceivedSeverity.MINOR, PerceivedSeverity.CRITICAL
CLEARED = PerceivedSeverity.CLEARED
FIBRE = alarm_id("link:fibre", "path-down")


def condition(
    severity: PerceivedSeverity, node: str = "sbs/agent", at_ns: int = 0, subject: str = "link:fibre", text: str = "t"
) -> Event:
    body = Condition(
        subject, "path-down", severity, EventType.COMMUNICATIONS, ProbableCause.LOSS_OF_SIGNAL, text
    ).to_body()
    return Event(node, "b", 1, at_ns, EventKind.CONDITION, subject, body)


def act(what: str, identifier: str = FIBRE, by: str = "li", at_ns: int = 0) -> Event:
    return Event(
        "noc-a", "b", 1, at_ns, EventKind.ALARM, f"alarm:{identifier}", {"act": what, "by": by, "text": "on it"}
    )


def store(events: list[Event]) -> list[StoredEvent]:
    return [StoredEvent(cursor, 0, event) for cursor, event in enumerate(events, start=1)]


def fold(*events: Event) -> tuple[AlarmList, list[AlarmChange]]:
    alarms = AlarmList()
    return alarms, [change for stored in store(list(events)) for change in alarms.apply(stored)]


def fibre(alarms: AlarmList) -> Alarm:
    alarm = alarms.get(FIBRE)
    assert alarm is not None
    return alarm


# ------------------------------------------------------------------ conditions


def test_a_raised_condition_is_an_alarm_under_the_standards_names() -> None:
    alarms, [change] = fold(condition(MAJOR, at_ns=5, text="no signal"))
    assert change.act is Act.RAISE
    assert change.before is None
    alarm = fibre(alarms)
    assert alarm == change.alarm
    assert (alarm.resource, alarm.alarm_type_id, alarm.perceived_severity) == ("link:fibre", "path-down", MAJOR)
    assert (alarm.raised_at_ns, alarm.changed_at_ns, alarm.cleared_at_ns) == (5, 5, None)
    assert alarm.reporters == {"sbs/agent"}
    assert alarms.active() == [alarm]


def test_an_alarm_stands_until_every_reporter_has_cleared_it() -> None:
    alarms, changes = fold(
        condition(MAJOR, "sbs/agent"),
        condition(MAJOR, "core/agent"),
        condition(CLEARED, "sbs/agent"),
    )
    assert fibre(alarms).reporters == {"core/agent"}
    assert not fibre(alarms).is_cleared
    [cleared] = alarms.apply(StoredEvent(9, 0, condition(CLEARED, "core/agent", at_ns=8, text="up again")))
    assert cleared.act is Act.CLEAR
    assert cleared.alarm.cleared_at_ns == 8
    assert cleared.alarm.perceived_severity is MAJOR, "RFC 8632: the last severity stays, cleared is a flag of its own"
    assert cleared.alarm.text == "up again"
    assert alarms.active() == []
    assert [c.act for c in changes] == [Act.RAISE, Act.UPDATE, Act.UPDATE]


def test_the_worst_report_leads_and_its_going_eases_the_alarm() -> None:
    alarms, changes = fold(
        condition(MINOR, "a", text="minor"), condition(CRITICAL, "b", text="critical"), condition(CLEARED, "b")
    )
    assert [c.act for c in changes] == [Act.RAISE, Act.WORSEN, Act.EASE]
    assert (fibre(alarms).perceived_severity, fibre(alarms).text) == (MINOR, "minor")


def test_saying_the_same_again_changes_nothing_and_another_text_does() -> None:
    alarms, changes = fold(condition(MAJOR, at_ns=1), condition(MAJOR, at_ns=2), condition(MAJOR, at_ns=3, text="new"))
    assert [c.act for c in changes] == [Act.RAISE, Act.UPDATE]
    assert fibre(alarms).raised_at_ns == 1


def test_clearing_what_was_never_raised_is_no_alarm() -> None:
    alarms, changes = fold(condition(CLEARED), condition(MAJOR, "a"), condition(CLEARED, "b"))
    assert [c.act for c in changes] == [Act.RAISE]
    assert fibre(alarms).reporters == {"a"}


def test_a_condition_that_returns_is_the_same_alarm_raised_again() -> None:
    alarms, _ = fold(
        condition(MAJOR, at_ns=1), condition(CLEARED, at_ns=2), act("acknowledge"), condition(MINOR, at_ns=9)
    )
    alarm = fibre(alarms)
    assert (alarm.raise_count, alarm.raised_at_ns, alarm.cleared_at_ns) == (2, 9, None)
    assert alarm.perceived_severity is MINOR
    assert alarm.state is State.RAISED, "coming back asks for a new acknowledgement"
    assert alarm.acknowledged_by is None
    assert len(alarms) == 1


def test_history_is_bounded() -> None:
    alarms, _ = fold(*(condition(MAJOR if n % 2 else CLEARED, at_ns=n) for n in range(200)))
    assert len(fibre(alarms).history) == HISTORY_LIMIT
    assert fibre(alarms).history[-1].at_ns == 199
    assert fibre(alarms).raise_count == 100


def test_worst_alarms_come_first() -> None:
    alarms, _ = fold(
        condition(MINOR, subject="link:a", at_ns=3),
        condition(CRITICAL, subject="link:b", at_ns=1),
        condition(CRITICAL, subject="link:c", at_ns=2),
    )
    assert [alarm.resource for alarm in alarms.active()] == ["link:c", "link:b", "link:a"]


# ------------------------------------------------------------------ operators


def test_an_acknowledgement_names_who_saw_it_and_when() -> None:
    alarms, _ = fold(condition(MAJOR), act("acknowledge", at_ns=4))
    alarm = fibre(alarms)
    assert (alarm.acknowledged_by, alarm.acknowledged_at_ns, alarm.acknowledged_text) == ("li", 4, "on it")
    assert alarm.state is State.RAISED_ACKNOWLEDGED
    alarms.apply(StoredEvent(9, 0, act("unacknowledge")))
    assert fibre(alarms).state is State.RAISED
    assert not fibre(alarms).is_acknowledged


def test_getting_worse_asks_for_a_new_acknowledgement_and_easing_does_not() -> None:
    alarms, _ = fold(condition(MAJOR), act("acknowledge"), condition(MINOR))
    assert fibre(alarms).is_acknowledged
    alarms.apply(StoredEvent(9, 0, condition(CRITICAL)))
    assert not fibre(alarms).is_acknowledged


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (act("acknowledge"), "cannot acknowledge an alarm that is raised-acknowledged"),
        (act("explode"), "no such act: 'explode'"),
        (act("clear"), "no such act: 'clear'"),
        (act("acknowledge", "nothing.here"), "no such alarm: 'nothing.here'"),
        (dataclasses.replace(act("acknowledge"), subject="link:fibre"), "has the subject alarm:<id>"),
        (dataclasses.replace(condition(MAJOR), body={"subject": "x"}), "condition without 'name'"),
    ],
)
def test_what_cannot_be_applied_raises_and_changes_nothing(event: Event, why: str) -> None:
    alarms, _ = fold(condition(MAJOR), act("acknowledge"))
    before = alarms.to_json()
    with pytest.raises(ValueError, match=why):
        alarms.apply(StoredEvent(9, 0, event))
    assert alarms.to_json() == before | {"cursor": 9}
    assert alarms.apply(StoredEvent(9, 0, event)) == ()


def test_an_act_can_be_checked_before_it_is_journalled() -> None:
    alarms, _ = fold(condition(MAJOR))
    assert alarms.check_act(FIBRE, "acknowledge") == fibre(alarms)
    with pytest.raises(IllegalActError):
        alarms.check_act(FIBRE, "unacknowledge")


# ------------------------------------------------------------------ identifiers


def test_identifiers_read_well() -> None:
    assert alarm_id("link:fibre-dongcheng", "path-down") == "path-down.link.fibre-dongcheng"
    assert alarm_id("daemon:sbs-dongcheng/agent", "crash-loop") == "crash-loop.daemon.sbs-dongcheng~agent"


@settings(deadline=None)
@given(st.lists(st.text(alphabet="a:/.~=-2ef城", min_size=1, max_size=5), min_size=2, max_size=2, unique=True))
def test_two_resources_never_share_an_identifier(resources: list[str]) -> None:
    assert alarm_id(resources[0], "x") != alarm_id(resources[1], "x")


# ------------------------------------------------------------------ properties

severities = st.sampled_from([*PerceivedSeverity])
conditions = st.builds(
    condition,
    severities,
    st.sampled_from(["a", "b", "c"]),
    st.integers(1, 10**6),
    st.sampled_from(["link:x", "link:y"]),
    st.sampled_from(["one", "two"]),
)
acts = st.builds(
    act, st.sampled_from(["acknowledge", "unacknowledge"]), st.sampled_from(["path-down.link.x", "path-down.link.y"])
)
journals = st.lists(conditions | acts, max_size=40).map(store)


def apply_all(alarms: AlarmList, journal: list[StoredEvent]) -> AlarmList:
    for stored in journal:
        try:
            alarms.apply(stored)
        except IllegalActError:
            continue
    return alarms


@settings(deadline=None)
@given(journals, st.data())
def test_a_snapshot_and_the_rest_give_what_the_whole_journal_gives(
    journal: list[StoredEvent], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(journal)))
    snapshot = json.loads(json.dumps(apply_all(AlarmList(), journal[:cut]).to_json()))
    resumed = apply_all(AlarmList.from_json(snapshot), journal[cut:])
    whole = apply_all(AlarmList(), journal)
    assert resumed.to_json() == whole.to_json()
    assert list(resumed) == list(whole)


@settings(deadline=None)
@given(journals, st.data())
def test_replaying_any_part_again_changes_nothing(journal: list[StoredEvent], data: st.DataObject) -> None:
    once = apply_all(AlarmList(), journal)
    before = once.to_json()
    start = data.draw(st.integers(0, len(journal)))
    apply_all(once, journal[start:])
    assert once.to_json() == before


def essence(alarms: AlarmList) -> set[tuple]:
    """What must not depend on whose news came first: all but the history, the time and words of the last change."""
    return {
        (a.id, a.is_cleared, a.reporters)
        + (() if a.is_cleared else (a.perceived_severity, a.text, a.event_type, a.probable_cause, a.raised_at_ns))
        for a in alarms
    }


@settings(deadline=None)
@given(st.lists(conditions, max_size=12), st.lists(conditions, max_size=12), st.randoms(use_true_random=False))
def test_the_order_in_which_two_reporters_are_heard_does_not_matter_while_both_hold(first, second, random) -> None:
    """Each reporter's own order is kept (its outbox numbers it); how the two interleave is chance."""
    streams = [
        [dataclasses.replace(event, node="a") for event in first] + [condition(MAJOR, "a", 7, s) for s in ("link:x",)],
        [dataclasses.replace(event, node="b") for event in second],
    ]
    streams = [[e for e in stream if Condition.from_body(e.body).raised] for stream in streams]
    folds = []
    for _ in range(2):
        rest = [list(stream) for stream in streams]
        journal = []
        while any(rest):
            journal.append(random.choice([stream for stream in rest if stream]).pop(0))
        folds.append(essence(apply_all(AlarmList(), store(journal))))
    assert folds[0] == folds[1]


@settings(deadline=None)
@given(st.permutations(["a", "b", "c"]), st.permutations(["a", "b", "c"]))
def test_it_is_clear_exactly_when_all_have_cleared_in_whatever_order(raising, clearing) -> None:
    alarms, _ = fold(
        *(condition(MAJOR, node) for node in raising),
        *(condition(CLEARED, node) for node in clearing[:2]),
    )
    assert fibre(alarms).reporters == {clearing[2]}
    alarms.apply(StoredEvent(99, 0, condition(CLEARED, clearing[2])))
    assert fibre(alarms).is_cleared
    assert fibre(alarms).reporters == frozenset()


@settings(deadline=None)
@given(journals)
def test_an_alarms_state_agrees_with_its_fields(journal: list[StoredEvent]) -> None:
    for alarm in apply_all(AlarmList(), journal):
        assert alarm.is_cleared == (not alarm.reporters)
        assert alarm.is_cleared == (alarm.state in {State.CLEARED, State.CLEARED_ACKNOWLEDGED})
        assert alarm.is_acknowledged == (alarm.state in {State.RAISED_ACKNOWLEDGED, State.CLEARED_ACKNOWLEDGED})
        assert alarm.perceived_severity is not CLEARED


def test_a_snapshot_of_another_shape_is_refused() -> None:
    for nonsense in ({}, {"cursor": 1, "alarms": [{}]}, {"cursor": 1, "alarms": 7}):
        with pytest.raises(ValueError):
            AlarmList.from_json(nonsense)
