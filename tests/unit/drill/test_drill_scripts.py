"""Scripts: written for an inventory by a seed, and rated by what was seen, however late it was told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from drill_fakes import MS, TARGET, event, make_inventory

from lab.drills import protection
from lab.drills.judge import Sighting
from lab.drills.record import DrillReport, Verdict
from lab.drills.script import Expect, Inject, Phase, Played, rated
from lab.probe import ProbeLog

S = 1_000 * MS
SWITCH = Expect("switch", protection.selects("protection"), 50)


def selected(site: str, at_ms: float, path: str, seen_ms: float | None = None) -> Sighting:
    body = event(site, "protection", f"group:{TARGET.group}", 0, site=site, selector=path, request="SF-W")
    return Sighting(S + round(at_ms * MS), S + round((seen_ms or at_ms) * MS), body)


def flow(*lost_ms: int, until_ms: int = 300) -> ProbeLog:
    """Return a flow of a probe each millisecond from S on, those of these milliseconds lost."""
    sent = tuple((number, S + number * MS) for number in range(until_ms))
    return ProbeLog(sent, tuple((n, at + MS) for n, at in sent if n not in lost_ms))


def rate(phase: Phase, sightings: list[Sighting], *, log: ProbeLog | None = None, held_ms: float | None = None) -> Any:
    report = DrillReport("a-drill", "", TARGET, "", None, 1, 0, Verdict.NOT_RUN)
    took_hold_ns = None if held_ms is None else S + round(held_ms * MS)
    played = [Played(phase, S, S + 300 * MS, took_hold_ns)]
    return rated(report, (TARGET,), played, sightings, {"site_to_hub": log or flow()})


def both(at_ms: float, path: str, seen_ms: float | None = None) -> list[Sighting]:
    return [selected(site, at_ms, path, seen_ms) for site in TARGET.ends]


def test_a_task_is_done_when_both_ends_have_done_it() -> None:
    phase = Phase("cut", expects=(SWITCH,))
    assert rate(phase, both(30, "protection")).reasons == ()
    [task] = rate(phase, [selected("core-wired", 30, "protection"), selected("sbs-dongcheng", 41, "protection")]).tasks
    assert task.actual_ms == 41
    assert rate(phase, [selected("core-wired", 30, "protection")]).reasons == ("switch: did not happen",)
    assert rate(phase, both(51, "protection")).reasons == ("switch: 51 ms, target 50 ms",)


def test_what_is_told_late_counts_by_when_it_happened_unless_the_hub_is_meant() -> None:
    late = both(30, "protection", seen_ms=9000)
    assert rate(Phase("cut", expects=(SWITCH,)), late).reasons == ()
    at_hub = replace(SWITCH, at_hub=True)
    assert rate(Phase("cut", expects=(at_hub,)), late).reasons == ("switch: 9000 ms, target 50 ms",)


def test_a_fault_is_dated_by_the_last_probe_that_came_through() -> None:
    phase = Phase("cut", (Inject("fibre-cut", "working"),), (SWITCH,), lost_ms=50)
    report = rate(phase, both(100, "protection"), log=flow(*range(71, 100)), held_ms=72)
    assert report.tasks[0].actual_ms == 30
    assert report.reasons == ()


def test_what_a_phase_may_lose_is_held_against_each_direction() -> None:
    assert rate(Phase("revert", lost_ms=0), [], log=flow(7)).reasons == ("site_to_hub, revert: 1 ms lost, target 0 ms",)
    assert rate(Phase("both lost", lost_ms=None), [], log=flow(*range(200))).reasons == ()


def test_what_must_not_be_seen_or_not_twice_fails_the_drill() -> None:
    flaps = Phase("flaps", never={"back on the fibre": protection.selects("working")})
    assert rate(flaps, [selected("core-wired", 10, "working")]).reasons == ("flaps: core-wired: back on the fibre",)
    once = Phase("revert", once={"reverted": protection.selects("working")})
    assert rate(once, both(10, "working")).reasons == ()
    assert rate(once, [*both(10, "working"), selected("core-wired", 20, "working")]).reasons == (
        "revert: core-wired: reverted 2 times, once was right",
    )


@pytest.mark.parametrize("name", [name for name, kind in protection.KINDS.items() if not kind.whole_duct])
def test_every_script_is_written_by_its_seed(name: str) -> None:
    inventory = make_inventory()
    script = protection.write(name, inventory, hub="noc-a", site=None, seed=3)
    again = protection.write(name, inventory, hub="noc-a", site=None, seed=3)
    assert [phase.acts for phase in script.phases] == [phase.acts for phase in again.phases]
    assert script.targets == (TARGET,)
    names = [phase.name for phase in script.phases]
    assert len(names) == len(set(names)), "a phase's name is its window's"
    assert any(phase.expects for phase in script.phases)


def test_a_site_without_a_protected_fibre_is_named_with_those_that_have_one() -> None:
    with pytest.raises(ValueError, match="no protected fibre ends at 'core-wired'; there are sbs-dongcheng"):
        protection.write("flapping", make_inventory(), hub="noc-a", site="core-wired", seed=1)


def test_a_duct_without_a_name_cannot_be_cut() -> None:
    with pytest.raises(ValueError, match="fibre-dongcheng lies in no shared-risk group"):
        protection.write("duct-cut", make_inventory(), hub="noc-a", site=None, seed=1)
