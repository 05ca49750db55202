"""Two real ends that speak APS: commands, signal degrade, and what outlives a killed process.

Bounds are generous (a busy machine is no failure); the figures are printed, `pytest -s` shows them.
"""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from failover_world import FastPathProcess, Probes, World, plan_of, two_sites, until

from failover.quality_plan import QualityPlan

pytestmark = pytest.mark.lab

WINDOW_S = 2.0
QUALITY = QualityPlan(interval_ms=10, window_ms=2000, timeout_ms=500, stateful=True, loss_pct=(2.0, 0.5))
NOTHING_LOST = {"a->b": 0, "b->a": 0}


class Ends:
    """Two sites, each with a fast path; tokens for orders."""

    def __init__(self, world: World, directory: Path) -> None:
        self.world, self.directory = world, directory
        self.tokens = itertools.count(1)
        self.a = self._start("a", (1, 2), ("10.2.0.0/24",), ("10.1.0.0/24",))
        self.b = self._start("b", (2, 1), ("10.1.0.0/24",), ("10.2.0.0/24",))

    def _start(
        self, site: str, numbers: tuple[int, int], prefixes: tuple[str, ...], sources: tuple[str, ...]
    ) -> FastPathProcess:
        mine, theirs = numbers
        paths = {
            "fibre": ("fibre", f"10.64.0.{mine}", f"10.64.0.{theirs}", 10_000, 3),
            "sat": ("sat", f"10.66.0.{mine}", f"10.66.0.{theirs}", 100_000, 3),
        }
        return self.world.fast_path(site, plan_of(site, paths, prefixes, sources, quality=QUALITY), self.directory)

    def both(self, key: str) -> set[Any]:
        return {end.group()[key] for end in (self.a, self.b)}

    def normal(self) -> bool:
        return self.both("state") == {"Normal"} and all(end.group()["aps"]["heard"] for end in (self.a, self.b))

    def order(self, end: FastPathProcess, command: str, to: str | None = None, **more: Any) -> dict[str, Any]:
        return end.order(next(self.tokens), command, to, **more)

    def probes(self) -> Probes:
        return Probes(self.world, self.directory, "10.1.0.1", "10.2.0.1")


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ends]:
    with two_sites("p") as world:
        yield Ends(world, tmp_path_factory.mktemp("protection"))


@pytest.fixture
def ends(standing: Ends) -> Iterator[Ends]:
    until("both ends are Normal", standing.normal)
    yield standing
    standing.world.heal()
    for end in (standing.a, standing.b):
        while end.group()["commands"]:
            assert standing.order(end, "clear")["accepted"]


def lost(probes: Probes) -> dict[str, int]:
    time.sleep(0.1)
    return {way: outage.lost for way, outage in probes.stop().items()}


@pytest.mark.parametrize("towards", ["a", "b"])
def test_each_end_knows_where_the_other_carries_traffic(ends: Ends, towards: str) -> None:
    ends.world.cut("fibre", towards=towards)
    until("both ends on protection", lambda: ends.both("selector") == {"protection"})
    until(
        "both ends know it",
        lambda: all(end.group()["aps"]["far_selector"] == "protection" for end in (ends.a, ends.b)),
    )
    assert all(end.group()["aps"]["defects"] == {} for end in (ends.a, ends.b))


def test_a_manual_switch_at_one_end_moves_both_ends_and_loses_nothing(ends: Ends) -> None:
    probes = ends.probes()
    answer = ends.order(ends.a, "manual", "protection")
    assert answer["result"]["selector"] == answer["predicted"]["selector"] == "protection"
    until("both ends on protection", lambda: ends.both("selector") == {"protection"}, 3)
    assert ends.b.group()["why"] == "The far end was switched to sat by command."
    assert ends.order(ends.a, "clear")["accepted"]
    until("both ends are Normal", ends.normal)
    assert lost(probes) == NOTHING_LOST


def test_a_lockout_holds_traffic_on_working_through_a_cut_and_its_end_switches(ends: Ends) -> None:
    assert ends.order(ends.a, "lockout")["accepted"]
    until("b has heard", lambda: ends.b.group()["state"] == "Far locked out")
    ends.world.cut("fibre")
    until("a has noticed", lambda: ends.a.path("fibre")["signal_fail"])
    until("b has noticed", lambda: ends.b.path("fibre")["signal_fail"])
    time.sleep(0.5)
    assert ends.both("selector") == {"working"}
    ends.order(ends.a, "clear")
    until("both ends on protection", lambda: ends.both("selector") == {"protection"}, 3)


def test_commands_outlive_a_killed_fast_path(ends: Ends) -> None:
    before = ends.a.group()["switch_count"]
    assert ends.order(ends.a, "lockout")["accepted"]
    ends.a.stop(signal.SIGKILL)
    ends.a.start()
    assert ends.a.group()["commands"] == ["lockout"]
    ends.world.cut("fibre")
    until("a has noticed", lambda: ends.a.path("fibre")["signal_fail"])
    time.sleep(0.3)
    assert ends.both("selector") == {"working"}
    late = ends.a.order(0, "clear")
    assert (late["accepted"], late["reason"].split(":")[0]) == (False, "Command 0 comes late")
    ends.world.heal()
    assert ends.a.group()["switch_count"] <= before


def test_a_forced_switch_outlives_a_killed_fast_path_without_loss(ends: Ends) -> None:
    assert ends.order(ends.a, "force")["accepted"]
    until("both ends on protection", lambda: ends.both("selector") == {"protection"}, 3)
    probes = ends.probes()
    ends.a.stop(signal.SIGKILL)
    ends.a.start()
    until("sessions are Up", lambda: all(path["bfd"] == "Up" for path in ends.a.snapshot()["paths"]))
    until("a stands forced", lambda: ends.a.group()["state"] == "Forced switch")
    until("both ends on protection", lambda: ends.both("selector") == {"protection"}, 3)
    assert lost(probes) == NOTHING_LOST


def test_a_dry_run_tells_what_would_happen_and_does_nothing(ends: Ends) -> None:
    answer = ends.order(ends.a, "force", dry_run=True)
    assert (answer["accepted"], answer["predicted"]["selector"], answer["result"]) == (True, "protection", None)
    assert ends.both("selector") == {"working"}


@pytest.mark.parametrize("sent_by", ["a", "b"])
def test_a_lossy_path_is_left_in_time_and_returned_to_when_it_is_good(ends: Ends, sent_by: str) -> None:
    until("quality is known", lambda: all(end.path("fibre")["quality"]["known"] for end in (ends.a, ends.b)))
    began = time.monotonic()
    ends.world.lose("fibre", sent_by=sent_by, percent=5)
    until("both ends on protection", lambda: ends.both("selector") == {"protection"}, WINDOW_S + 5)
    took_s = time.monotonic() - began
    reasons = {end.name: end.path("fibre")["quality"]["reasons"] for end in (ends.a, ends.b)}
    print(f"\n5 % lost by {sent_by}: left after {took_s:.2f} s, {reasons}")  # noqa: T201 - for whoever runs this with -s
    assert took_s < WINDOW_S + 2
    probes = ends.probes()
    ends.world.heal()
    until("both ends are Normal", ends.normal)
    assert lost(probes) == NOTHING_LOST
