"""The record is a fold: the same events always give the same record, and no event can stop it."""

from __future__ import annotations

import json
from typing import Any

from hubworld import Journal, Writer, end
from hypothesis import given
from hypothesis import strategies as st

from lifeline.model.records import Event, EventKind, PerceivedSeverity
from noc.record import COMMANDS_KEPT, Record

NODES = ("sbs-a/agent", "core/agent", "noc-a/hub")
ALARM = "path-down.link.fibre-a"

conditions = st.builds(
    lambda severity, text: {
        "subject": "link:fibre-a", "name": "path-down", "perceived_severity": severity.value, "text": text,
        "event_type": "communicationsAlarm", "probable_cause": "lossOfSignal",
    },
    st.sampled_from(PerceivedSeverity), st.sampled_from(["", "lost", "again"]),
)  # fmt: skip
acts = st.builds(
    lambda act: {"act": act, "by": "wang", "text": ""}, st.sampled_from(["acknowledge", "unacknowledge", "eat"])
)
commands = st.builds(
    lambda identifier, phase: {
        "command_id": identifier, "phase": phase, "command": "alarm.acknowledge", "target": ALARM, "by": "wang",
        "text": "", "idempotency_key": f"key-{identifier}",
    },
    st.sampled_from("xyz"), st.sampled_from(["requested", "done", "refused"]),
)  # fmt: skip
ends = st.builds(end, st.sampled_from(["sbs-a", "core"]), st.sampled_from(["working", "protection"]), st.booleans())
bfd = st.builds(
    lambda site, state: {"site": site, "state": state, "diag": "No Diagnostic"},
    st.sampled_from(["sbs-a", "core"]), st.sampled_from(["Up", "Down"]),
)  # fmt: skip
anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
nonsense = st.dictionaries(
    st.sampled_from(
        ["subject", "name", "perceived_severity", "working", "site", "command_id", "phase", "act", "detail"]
    ),
    anything,
)
OF_KIND = {
    EventKind.CONDITION: (conditions, "link:fibre-a"),
    EventKind.ALARM: (acts, f"alarm:{ALARM}"),
    EventKind.COMMAND: (commands, f"alarm:{ALARM}"),
    EventKind.PROTECTION: (ends, "group:pg-a"),
    EventKind.BFD: (bfd, "link:fibre-a"),
    EventKind.DAEMON: (nonsense, "daemon:sbs-a/agent"),
}


@st.composite
def journals(draw: st.DrawFn) -> list[Event]:
    events = []
    for seq in range(draw(st.integers(0, 25))):
        kind = draw(st.sampled_from(EventKind))
        sound, subject = OF_KIND.get(kind, (nonsense, "link:fibre-a"))
        body = draw(sound | nonsense)
        events.append(Event(draw(st.sampled_from(NODES)), "b1", seq, 1000 + seq, kind, subject, body))
    return events


def folded(record: Record, events: list[Event], journal: Journal) -> Record:
    for event in events:
        record.apply(journal.store(event))
    return record


@given(journals(), st.data())
def test_a_snapshot_and_the_rest_give_what_the_whole_journal_gives(events: list[Event], data: st.DataObject) -> None:
    whole = folded(Record(), events, Journal())
    cut = data.draw(st.integers(0, len(events)))
    journal = Journal()
    first = folded(Record(), events[:cut], journal)
    restored = Record.from_json(json.loads(json.dumps(first.to_json())))
    rest = folded(restored, events[cut:], journal)
    assert rest.to_json() == whole.to_json()


@given(journals())
def test_what_is_folded_in_already_changes_nothing(events: list[Event]) -> None:
    journal = Journal()
    stored = [journal.store(event) for event in events]
    record = Record()
    for one in stored:
        record.apply(one)
    before = json.dumps(record.to_json())
    for one in stored:
        assert record.apply(one) == ()
    assert json.dumps(record.to_json()) == before


@given(st.sampled_from(EventKind), st.text(max_size=20), st.dictionaries(st.text(max_size=8), anything) | nonsense)
def test_no_event_can_stop_the_fold(kind: EventKind, subject: str, body: dict[str, Any]) -> None:
    record = folded(Record(), [Event("n", "b", 1, 1, kind, subject, body)], Journal())
    assert record.cursor == 1
    json.dumps(record.to_json())


def test_a_command_is_found_by_its_key_and_has_its_outcome() -> None:
    writer, journal, record = Writer("noc-a/hub"), Journal(), Record()
    asked = {"command_id": "c1", "command": "alarm.acknowledge", "target": ALARM, "by": "wang", "text": "on it"}
    record.apply(journal.store(writer.event(
        EventKind.COMMAND, f"alarm:{ALARM}", {**asked, "phase": "requested", "idempotency_key": "k"})))  # fmt: skip
    open_command = record.command_under("k")
    assert open_command is not None
    assert (open_command.phase, open_command.finished_at_ns) == ("requested", None)
    record.apply(journal.store(writer.event(EventKind.COMMAND, f"alarm:{ALARM}", {**asked, "phase": "done"})))
    done = record.command_under("k")
    assert done is not None
    assert (done.id, done.phase, done.by, done.text) == ("c1", "done", "wang", "on it")


def test_old_commands_and_their_keys_are_forgotten() -> None:
    writer, journal, record = Writer("noc-a/hub"), Journal(), Record()
    for n in range(COMMANDS_KEPT + 10):
        body = {"command_id": f"c{n}", "command": "x", "target": "y", "by": "z", "text": "", "idempotency_key": f"k{n}"}
        record.apply(journal.store(writer.event(EventKind.COMMAND, "alarm:y", {**body, "phase": "requested"})))
    assert len(record.commands) == COMMANDS_KEPT
    assert record.command_under("k0") is None
    assert record.command_under(f"k{COMMANDS_KEPT + 9}") is not None


def test_a_fresh_journal_goes_on_with_what_is_known() -> None:
    writer, record = Writer(), Record()
    folded(record, [writer.condition()], Journal())
    record.rewind()
    folded(record, [writer.condition("group:pg-a", "on-protection")], Journal())
    assert {alarm.id for alarm in record.alarms.active()} == {ALARM, "on-protection.group.pg-a"}
