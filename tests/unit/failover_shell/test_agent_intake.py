"""The agent's memory over its lives: nothing doubled, nothing standing for ever, whenever it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shell_bodies import bfd_body, group, report, snapshot

from failover.agent.intake import Intake
from failover.agent.record import Record
from lifeline.model.records import EventKind
from lifeline.runtime.outbox import Outbox, OutboxFullError

BROKEN = {"selector": "protection", "working": True}


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox.db", "site-a/agent")


@pytest.fixture
def live(tmp_path: Path, outbox: Outbox) -> Callable[[], Intake]:
    def begin() -> Intake:
        outbox.close()
        outbox.open()
        record = Record(tmp_path / "record.json")
        record.load(outbox)
        return Intake("site-a", outbox, record)

    return begin


def told(outbox: Outbox) -> list[str]:
    lines = []
    for event in outbox.pending(limit=10_000):
        if event.kind is EventKind.CONDITION:
            severity = event.body["perceived_severity"]
            lines.append(f"{event.body['name']} {event.subject} {'cleared' if severity == 'cleared' else 'raised'}")
        else:
            lines.append(f"{event.kind} {event.subject}")
    return lines


CUT = [
    "protection group:pg",
    "path-down link:fibre raised",
    "on-protection group:pg raised",
    "bfd link:fibre",
]


def cut_reports() -> list[dict[str, Any]]:
    return [report(1, "protection", group(**BROKEN)), report(2, "bfd", bfd_body())]


def test_reports_become_events_and_conditions(outbox: Outbox, live: Callable[[], Intake]) -> None:
    intake = live()
    for each in cut_reports():
        intake.report(each)
    assert intake.store()
    assert told(outbox) == CUT
    assert outbox.pending()[0].observed_at_ns == 1_001
    assert "path" not in outbox.pending()[3].body
    assert intake.taken == ("life-1", 2)


@pytest.mark.parametrize("killed_before_the_record", [False, True])
def test_the_same_reports_after_a_restart_are_the_same_events(
    tmp_path: Path, outbox: Outbox, live: Callable[[], Intake], killed_before_the_record: bool
) -> None:
    intake = live()
    for each in cut_reports():
        intake.report(each)
    intake.store()
    if killed_before_the_record:
        (tmp_path / "record.json").unlink()
    intake = live()
    for each in [*cut_reports(), report(3, "protection", group())]:
        intake.report(each)
    intake.snapshot(snapshot(), 5)
    intake.store()
    assert told(outbox) == [
        *CUT,
        "protection group:pg",
        "path-down link:fibre cleared",
        "on-protection group:pg cleared",
    ]
    assert intake.taken == ("life-1", 3)


def test_a_condition_whose_end_nobody_reported_ends_with_the_next_snapshot(
    outbox: Outbox, live: Callable[[], Intake]
) -> None:
    intake = live()
    intake.snapshot(snapshot(**BROKEN), 5)
    intake.store()
    intake = live()
    assert len(intake.standing) == 2
    intake.snapshot(snapshot(working=None, protection=None, selector="protection"), 6)
    assert intake.unstored == 0  # unknown clears nothing
    intake.snapshot(snapshot(), 7)
    intake.store()
    assert Counter(line.split()[-1] for line in told(outbox)) == {"raised": 2, "cleared": 2}


def test_after_the_hub_has_all_the_record_alone_remembers(outbox: Outbox, live: Callable[[], Intake]) -> None:
    intake = live()
    for each in cut_reports():
        intake.report(each)
    intake.store()
    outbox.acknowledge(10_000)
    intake = live()
    for each in cut_reports():
        intake.report(each)
    intake.snapshot(snapshot(**BROKEN), 5)
    assert intake.unstored == 0


def test_a_damaged_record_doubles_a_raise_rather_than_leave_something_standing(
    tmp_path: Path, outbox: Outbox, live: Callable[[], Intake]
) -> None:
    intake = live()
    intake.snapshot(snapshot(**BROKEN), 5)
    intake.store()
    outbox.acknowledge(10_000)
    (tmp_path / "record.json").write_text("{")
    intake = live()
    intake.snapshot(snapshot(), 6)
    intake.store()
    assert "path-down link:fibre cleared" in told(outbox)


def test_on_a_full_disk_everything_waits_in_order(
    outbox: Outbox, live: Callable[[], Intake], monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = live()

    def no_room(*_: object) -> None:
        raise OutboxFullError("disk full")

    with monkeypatch.context() as full:
        full.setattr(outbox, "put_many", no_room)
        for each in cut_reports():
            intake.report(each)
            assert not intake.store()
        for each in cut_reports():  # the fast path sends again on a new connection
            intake.report(each)
        assert intake.unstored == 4
    assert intake.store()
    assert told(outbox) == CUT


def test_a_fast_path_s_new_life_counts_from_one(outbox: Outbox, live: Callable[[], Intake]) -> None:
    intake = live()
    for each in cut_reports():
        intake.report(each)
    intake.report(report(1, "protection", group(), instance="life-2"))
    intake.store()
    assert told(outbox)[4:] == [
        "protection group:pg",
        "path-down link:fibre cleared",
        "on-protection group:pg cleared",
    ]


def test_what_left_the_inventory_is_cleared(outbox: Outbox, live: Callable[[], Intake]) -> None:
    intake = live()
    intake.snapshot(snapshot(**BROKEN), 5)
    intake.store()
    intake = live()
    intake.clear_orphans(set())
    intake.store()
    assert len(intake.standing) == 0
    assert Counter(line.split()[-1] for line in told(outbox)) == {"raised": 2, "cleared": 2}
