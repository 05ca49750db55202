"""What holds a run back: locks, limits, freeze, maintenance, stale facts, fencing, halt; what the calendar starts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter

from failover.core.playbook import Fact, Kind, Outcome, Playbook, Recovery, Run, RunInput, RunState, resolve
from failover.core.playbook.gate import Answer, Occupancy, admit
from failover.core.playbook.run import planned
from failover.core.playbook.triggers import Triggers
from failover.executor import FencedError, RealEffects, drive
from failover.schedules import Schedules
from failover.steps import StepKind
from lifeline.model.records import Condition, EventType, PerceivedSeverity, ProbableCause

S = 1_000_000_000
KINDS = {"note": Kind(Recovery.REPEAT, False)}


class Known(dict):
    share = 0.0
    maintained = ()

    def get(self, name):
        return super().get(name, Fact())

    def in_maintenance(self, subject):
        return subject in self.maintained

    def failing_share(self):
        return self.share


def book(**more):
    steps = [{"id": "only", "do": "note", "args": {"text": "x"}}]
    parameters = {"site": {"default": "a"}}
    body = {"playbook": "p", "version": 1, "summary": "x", "steps": steps, "parameters": parameters, **more}
    return TypeAdapter(Playbook).validate_python(body)


def run_of(name="r1", site="a", began_ns=None, **more):
    plan = resolve(book(**more), {"site": site}, {"kind": "person"}, KINDS)
    run = Run(planned(name, plan, "ann", "", name, 1), 0)
    if began_ns is not None:
        run.apply(run.entry(RunInput.AGREED, ""), 0)
        run.apply(run.entry(RunInput.BEGIN, ""), began_ns)
    return run


def asked(run, *others, now_ns=0, facts=None, share=0.0, freed=False):
    return admit(run, Occupancy(others, now_ns), Known() if facts is None else facts, share, freed=freed)


def test_a_lock_is_held_until_the_run_is_over():
    holder = run_of("r0", site="b", began_ns=0, locks=["device:core"])
    said = asked(run_of(locks=["device:core"]), holder)
    assert (said.answer, said.why) == (Answer.WAIT, "device:core is locked by run r0 (p)")
    holder.apply(holder.entry(RunInput.STUCK, "nobody knows"), 1)
    assert asked(run_of(locks=["device:core"]), holder).answer is Answer.WAIT  # a run that needs a human holds it still
    holder.apply(holder.entry(RunInput.CLOSE, ""), 2)
    assert asked(run_of(locks=["device:core"]), holder).answer is Answer.BEGIN


@pytest.mark.parametrize(
    ("limits", "site", "waits"),
    [
        ({"site": 1}, "a", "under way at a"),
        ({"site": 1}, "b", ""),
        ({"site": 2, "everywhere": 1}, "b", "under way"),
        ({"site": 2, "everywhere": 2, "per_hour": 1}, "b", "of this hour"),
    ],
)
def test_limits(limits, site, waits):
    said = asked(run_of(site=site, limits=limits), run_of("r0", began_ns=0, limits=limits))
    assert said.answer is (Answer.WAIT if waits else Answer.BEGIN)
    assert waits in said.why


def test_an_hour_later_there_is_room_again():
    limits = {"per_hour": 1, "site": 5}
    old = run_of("r0", began_ns=0, limits=limits)
    assert asked(run_of(limits=limits), old, now_ns=3599 * S).answer is Answer.WAIT
    assert asked(run_of(limits=limits), old, now_ns=3600 * S).answer is Answer.BEGIN


def test_it_freezes_when_too_many_sites_fail_at_once_until_a_person_frees_it():
    run = run_of(limits={"freeze_share": 0.3})
    assert asked(run, share=0.3).answer is Answer.BEGIN
    frozen = asked(run, share=0.31)
    assert frozen.answer is Answer.WAIT
    assert frozen.why.startswith("frozen: 31% of the sites")
    assert asked(run, share=0.31, freed=True).answer is Answer.BEGIN


@pytest.mark.parametrize(
    ("fact", "why"),
    [
        (Fact(), "is not known"),
        (Fact({"ok": True}, 11.0), "11.0 s old, at most 10 s"),
        (Fact({"ok": False}, 1.0), "not value.ok"),
        (Fact(None, 1.0), "value"),
    ],
)
def test_unknown_stale_and_false_guards_refuse(fact, why):
    guards = [{"fact": "site:{{ site }}", "that": "value.ok", "max_age_s": 10}]
    said = asked(run_of(guards=guards), facts=Known({"site:a": fact}))
    assert said.answer is Answer.REFUSE
    assert why in said.why
    assert asked(run_of(guards=guards), facts=Known({"site:a": Fact({"ok": True}, 9.0)})).answer is Answer.BEGIN


def test_nothing_begins_under_maintenance():
    facts = Known()
    facts.maintained = ("site:a",)
    said = asked(run_of(not_in_maintenance=["site:{{ site }}"]), facts=facts)
    assert (said.answer, said.why) == (Answer.REFUSE, "site:a is under maintenance")


class Counting(StepKind):
    name, text, Args = "note", "Counts.", TypeAdapter(dict)
    recovery = Recovery.REPEAT
    done = 0

    def args(self, given):
        return given

    async def do(self, args, context):
        self.done += 1
        return Outcome("did")


async def test_the_token_is_checked_before_each_effect():
    kind, runs, left = Counting(), run_of(began_ns=0, steps=[
        {"id": f"s{n}", "do": "note", "args": {}} for n in range(3)]), [2]  # fmt: skip

    def fence():
        left[0] -= 1
        if left[0] < 0:
            raise FencedError("another orchestrator has taken over: nothing was done")

    async def record(run, entries):
        for entry in entries:
            run.apply(entry, 1)

    await drive(runs, Known(), RealEffects({"note": kind}, lambda _run, _key: None, fence), record)
    assert kind.done == 2
    assert runs.state is RunState.COMPENSATED
    assert "another orchestrator" in runs.reason


async def test_a_halt_ends_before_the_next_step():
    halted, kind = asyncio.Event(), Counting()
    run = run_of(began_ns=0, steps=[{"id": f"s{n}", "do": "note", "args": {}} for n in range(3)])

    async def record(run, entries):
        for entry in entries:
            run.apply(entry, 1)
            if entry.get("input") == "did":
                halted.set()

    effects = RealEffects({"note": kind}, lambda _run, _key: None, lambda: None)
    await drive(run, Known(), effects, record, halted=halted)
    assert (kind.done, run.state) == (1, RunState.RUNNING)
    halted.clear()
    await drive(run, Known(), effects, record, halted=None)
    assert (kind.done, run.state) == (3, RunState.DONE)


# -------------------------------------------------------------------- the calendar


def ns(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * S


def starts(from_ns, now_ns, **schedule):
    found = Schedules([book(schedules=[schedule])], from_ns).due(now_ns)
    return [datetime.fromtimestamp(it.due_ns / S, UTC).isoformat()[:16] for it in found]


def test_the_calendar_counts_in_its_zone():
    drill = {"cron": "0 9 1 6 *", "timezone": "Asia/Shanghai"}  # the yearly drill
    assert starts(ns("2026-05-31"), ns("2026-06-01T00:59"), **drill) == []
    assert starts(ns("2026-05-31"), ns("2026-06-01T01:00"), **drill) == ["2026-06-01T01:00"]


def test_a_start_missed_while_no_hub_ran_is_made_up_for_unless_it_is_too_late():
    weekly = {"cron": "0 3 * * tue", "late_s": 7200}
    assert starts(ns("2026-06-01T12:00"), ns("2026-06-02T04:30"), **weekly) == ["2026-06-02T03:00"]
    assert starts(ns("2026-06-01T12:00"), ns("2026-06-02T05:30"), **weekly) == []


def test_each_start_has_one_key_however_often_it_is_found():
    calendar = Schedules([book(schedules=[{"cron": "*/10 * * * *"}])], ns("2026-06-01T00:00"))
    first = calendar.due(ns("2026-06-01T00:10"))
    assert calendar.due(ns("2026-06-01T00:10")) == []
    assert calendar.next_ns() == ns("2026-06-01T00:20")
    again = Schedules([book(schedules=[{"cron": "*/10 * * * *"}])], ns("2026-06-01T00:00"))  # the next life
    assert [it.key for it in again.due(ns("2026-06-01T00:11"))] == [it.key for it in first]


# -------------------------------------------------------------------- conditions


def condition(raised=True, subject="power:a"):
    severity = PerceivedSeverity.MAJOR if raised else PerceivedSeverity.CLEARED
    return Condition(subject, "start-failed", severity, EventType.EQUIPMENT, ProbableCause.EQUIPMENT_MALFUNCTION, "x")


def watched(**more):
    return Triggers([book(triggers=[{"condition": "start-*", "subject": "power:*", **more}])])


def test_a_condition_must_stand_and_what_clears_before_starts_nothing():
    triggers = watched(for_s=5)
    triggers.observe("a/power", condition(), "a", 0)
    assert triggers.next_deadline_ns() == 5 * S
    assert triggers.due(4 * S) == []
    triggers.observe("a/power", condition(raised=False), "a", 4 * S)
    assert triggers.due(9 * S) == []
    triggers.observe("a/power", condition(), "a", 10 * S)
    triggers.observe("a/power", condition(raised=False), "a", 16 * S)  # too late: it was due at 15
    assert len(triggers.due(16 * S)) == 1


def test_a_condition_stands_until_all_who_raised_it_have_cleared_it():
    triggers = watched(for_s=5)
    for node in ("a/power", "b/power"):
        triggers.observe(node, condition(), "a", 0)
    triggers.observe("a/power", condition(raised=False), "a", S)
    assert len(triggers.due(5 * S)) == 1
    assert len({it.key for it in triggers.due(5 * S)}) == 1


def test_what_waits_is_the_same_after_a_restart():
    triggers = watched(for_s=5)
    triggers.observe("a/power", condition(), "a", 0)
    triggers.observe("b/power", condition(), "a", S)
    later = watched(for_s=5)
    later.restore(triggers.to_json())
    assert [it.key for it in later.due(5 * S)] == [it.key for it in triggers.due(5 * S)]
    later.observe("a/power", condition(raised=False), "a", 2 * S)
    assert later.due(5 * S)
    later.observe("b/power", condition(raised=False), "a", 3 * S)
    assert later.due(5 * S) == []
    other = Triggers([])
    other.restore(triggers.to_json())  # of a playbook that is gone
    assert other.due(9 * S) == []


def test_a_thousand_conditions_at_once_are_a_matter_of_milliseconds_each():
    triggers = watched()
    for number in range(3000):
        triggers.observe("a/power", condition(subject=f"power:s{number}"), f"s{number}", number)
    assert len(triggers.due(S)) == 3000
