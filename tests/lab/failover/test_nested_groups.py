"""Fibre, under it microwave, under that satellite: three real paths, two groups, cut one after another."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from failover_world import FastPathProcess, Probes, World, two_sites, until

from failover.plan import FastPathPlan, GroupPlan, SessionPlan, check_plan

pytestmark = pytest.mark.lab

NETWORK = {"fibre": "10.64.0", "radio": "10.65.0", "sat": "10.66.0"}
INTERVAL_US = {"fibre": 10_000, "radio": 20_000, "sat": 50_000}
LOST_MAX = 300
NOTHING_LOST = {"a->b": 0, "b->a": 0}


def plan(site: str) -> FastPathPlan:
    mine, theirs = (1, 2) if site == "a" else (2, 1)
    own, other = ("10.1.0.0/24", "10.2.0.0/24") if site == "a" else ("10.2.0.0/24", "10.1.0.0/24")
    sessions = tuple(
        SessionPlan(link, link, f"{net}.{mine}", f"{net}.{theirs}", number, INTERVAL_US[link], 3)
        for number, (link, net) in enumerate(NETWORK.items(), start=1)
    )
    groups = (
        GroupPlan("below", 1001, "radio", "sat", (), revertive=True, wtr_ms=500, hold_off_ms=0),
        GroupPlan("pg", 1000, "fibre", "below", (other,), revertive=True, wtr_ms=500, hold_off_ms=0),
    )
    made = FastPathPlan(site, (own,), sessions, groups)
    check_plan(made)
    return made


class Ends:
    def __init__(self, world: World, directory: Path) -> None:
        self.world, self.directory = world, directory
        self.a, self.b = (world.fast_path(site, plan(site), directory) for site in "ab")

    def states(self) -> list[str]:
        return [end.group(name)["state"] for end in (self.a, self.b) for name in ("pg", "below")]

    def normal(self) -> bool:
        return self.states() == ["Normal"] * 4

    def selected(self, group: str = "pg") -> set[str]:
        """Return the links by which both ends send, by their own word."""
        links = set()
        for end in (self.a, self.b):
            body = end.group(group)
            links.add(body[body["selector"]]["link"])
        return links

    def routed(self, end: FastPathProcess) -> str:
        """Return the interface by which the kernel of an end sends."""
        route = self.world.ip(end.name, "route", "get", "10.2.0.1" if end.name == "a" else "10.1.0.1")
        return route.split(" dev ")[1].split()[0]

    def by(self, link: str) -> bool:
        return self.selected() == {self.routed(self.a), self.routed(self.b)} == {link}

    def probes(self) -> Probes:
        return Probes(self.world, self.directory, "10.1.0.1", "10.2.0.1")


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ends]:
    with two_sites("n") as world:
        world.link("radio", "radio", "10.65.0.1/24", "10.65.0.2/24")
        yield Ends(world, tmp_path_factory.mktemp("nested"))


@pytest.fixture
def ends(standing: Ends) -> Iterator[Ends]:
    until("all is Normal", standing.normal)
    yield standing
    standing.world.heal()
    for link in NETWORK:
        standing.world.light(link, "a", on=True)


def cut(world: World, *links: str) -> None:
    """Cut these and no others."""
    world.heal()
    for link in links:
        world.cut(link)


def lost(probes: Probes) -> dict[str, int]:
    time.sleep(0.1)
    return {way: outage.lost for way, outage in probes.stop().items()}


def test_each_cut_takes_traffic_one_link_down_and_each_repair_one_up_without_loss(ends: Ends) -> None:
    assert ends.by("fibre")
    for broken, goes_by in ((["fibre"], "radio"), (["fibre", "radio"], "sat")):
        probes = ends.probes()
        cut(ends.world, *broken)
        until(f"traffic by {goes_by}", lambda link=goes_by: ends.by(link))  # type: ignore[misc]  # bound now, not later
        figures = lost(probes)
        print(f"\n{broken} cut, by {goes_by}: lost {figures} ms")  # noqa: T201 - for whoever runs this with -s
        assert all(0 < ms < LOST_MAX for ms in figures.values())
    for broken, goes_by in ((["fibre"], "radio"), ([], "fibre")):
        probes = ends.probes()
        cut(ends.world, *broken)
        until(f"traffic by {goes_by}", lambda link=goes_by: ends.by(link))  # type: ignore[misc]  # bound now, not later
        assert lost(probes) == NOTHING_LOST


def test_fibre_repaired_first_leaves_the_group_below_to_mend_by_itself(ends: Ends) -> None:
    cut(ends.world, "fibre", "radio")
    until("traffic by sat", lambda: ends.by("sat"))
    probes = ends.probes()
    cut(ends.world, "radio")
    until("traffic by fibre", lambda: ends.by("fibre"))
    assert ends.selected("below") == {"sat"}
    switches = [end.group()["switch_count"] for end in (ends.a, ends.b)]
    cut(ends.world)
    until("all is Normal", ends.normal)
    assert lost(probes) == NOTHING_LOST
    assert [end.group()["switch_count"] for end in (ends.a, ends.b)] == switches


def test_what_fails_below_an_idle_group_moves_no_traffic(ends: Ends) -> None:
    probes = ends.probes()
    cut(ends.world, "radio")
    until("the group below has switched", lambda: ends.selected("below") == {"sat"})
    cut(ends.world, "radio", "sat")
    until("nothing is left below", lambda: all(e.group()["protection"]["carries"] is False for e in (ends.a, ends.b)))
    assert ends.by("fibre")
    cut(ends.world, "radio")
    until("sat is back", lambda: all(e.group()["protection"]["carries"] for e in (ends.a, ends.b)))
    cut(ends.world, "radio", "fibre")
    until("traffic by sat", lambda: ends.by("sat"))
    before = ends.a.group()["why"]
    assert before.startswith("Working path fibre failed")
    cut(ends.world)
    until("all is Normal", ends.normal)
    assert sum(lost(probes).values()) > 0


def test_loss_of_light_down_the_chain_finds_nexthop_and_routes_again(ends: Ends) -> None:
    for link, goes_by in (("fibre", "radio"), ("radio", "sat")):
        ends.world.light(link, "a", on=False)
        until(f"traffic by {goes_by}", lambda to=goes_by: ends.by(to))  # type: ignore[misc]  # bound now, not later
    assert all(group["trouble"] == "" for group in ends.a.snapshot()["groups"])
    for link in ("radio", "fibre"):
        ends.world.light(link, "a", on=True)
    until("all is Normal", ends.normal)
    until("traffic by fibre", lambda: ends.by("fibre"))
    floating = [line for line in ends.world.ip("a", "route").splitlines() if "metric 2000" in line]
    assert [("dev radio" in line, "dev sat" in line) for line in floating] == [(True, False), (False, True)]


@pytest.mark.parametrize("broken", [["fibre", "radio"]])
def test_a_killed_fast_path_finds_the_link_it_had_chosen(ends: Ends, broken: list[str]) -> None:
    goes_by = "sat" if "radio" in broken else "radio"
    cut(ends.world, *broken)
    until(f"traffic by {goes_by}", lambda: ends.by(goes_by))
    probes = ends.probes()
    ends.a.stop(signal.SIGKILL)
    assert ends.routed(ends.a) == goes_by
    ends.a.start()
    assert ends.selected() == {goes_by}
    until("a knows what has failed", lambda: ends.a.group()["state"] == "Protecting failure")
    until("sessions are Up", lambda: ends.b.path(goes_by)["bfd"] == "Up")
    assert lost(probes) == NOTHING_LOST
    assert [group["switch_count"] for group in ends.a.snapshot()["groups"]] == [0, 0]


def test_a_command_on_the_group_below_moves_what_it_carries(ends: Ends) -> None:
    cut(ends.world, "fibre")
    until("traffic by radio", lambda: ends.by("radio"))
    probes = ends.probes()
    answer: dict[str, Any] = ends.a.order(1, "force", group="below")
    assert answer["result"]["selector"] == "protection"
    until("traffic by sat", lambda: ends.by("sat"))
    assert ends.a.order(2, "clear", group="below")["accepted"]
    until("traffic by radio", lambda: ends.by("radio"))
    assert lost(probes) == NOTHING_LOST
