"""Two real fast paths, a fibre and a second path between them, cut in the middle; 1 kHz probes both ways.

Bounds are generous (a busy machine is no failure); the figures are printed, `pytest -s` shows them.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from failover_world import FastPathProcess, Probes, World, plan_of, two_sites, until

pytestmark = pytest.mark.lab

LOST_MAX = 200


class Pair(NamedTuple):
    world: World
    a: FastPathProcess
    b: FastPathProcess
    directory: Path
    homes: tuple[str, str]

    def normal(self) -> bool:
        return all(end.group()["state"] == "Normal" for end in (self.a, self.b))

    def selectors(self) -> tuple[str, str]:
        return self.a.group()["selector"], self.b.group()["selector"]

    def probes(self) -> Probes:
        return Probes(self.world, self.directory, *self.homes)


def _start(world: World, directory: Path, *, ipv6: bool = False) -> Pair:
    fibre, sat = ("fd00:64::{}", "fd00:66::{}") if ipv6 else ("10.64.0.{}", "10.66.0.{}")
    networks = ("fd00:a::1/128", "fd00:b::1/128") if ipv6 else ("10.1.0.0/24", "10.2.0.0/24")
    homes = ("fd00:a::1", "fd00:b::1") if ipv6 else ("10.1.0.1", "10.2.0.1")
    ends = []
    for site, (mine, theirs) in (("a", (1, 2)), ("b", (2, 1))):
        paths = {
            "fibre": ("fibre", fibre.format(mine), fibre.format(theirs), 10_000, 3),
            "sat": ("sat", sat.format(mine), sat.format(theirs), 100_000, 3),
        }
        own, other = networks if site == "a" else networks[::-1]
        ends.append(world.fast_path(site, plan_of(site, paths, (other,), (own,)), directory))
    pair = Pair(world, ends[0], ends[1], directory, homes)
    until("both ends are Normal", pair.normal)
    return pair


@pytest.fixture(scope="module", params=["ipv4", "ipv6"])
def standing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    ipv6 = request.param == "ipv6"
    with two_sites("s", ipv6=ipv6) as world:
        yield _start(world, tmp_path_factory.mktemp("switch"), ipv6=ipv6)


@pytest.fixture
def pair(standing: Pair) -> Iterator[Pair]:
    until("both ends are Normal", standing.normal)
    yield standing
    standing.world.heal()
    standing.world.light("fibre", "a", on=True)


def cut(pair: Pair, mode: str) -> None:
    match mode:
        case "silent":
            pair.world.cut("fibre")
        case "oneway-to-a":
            pair.world.cut("fibre", towards="a")
        case "oneway-to-b":
            pair.world.cut("fibre", towards="b")
        case "carrier":
            pair.world.light("fibre", "a", on=False)


@pytest.mark.parametrize("mode", ["silent", "oneway-to-a", "oneway-to-b", "carrier"])
def test_a_cut_moves_both_ends_and_its_repair_brings_them_back_without_loss(pair: Pair, mode: str) -> None:
    probes = pair.probes()
    cut(pair, mode)
    until("both ends on protection", lambda: pair.selectors() == ("protection", "protection"))
    time.sleep(0.1)
    outages = probes.stop()
    figures = ", ".join(f"{way} lost {outage.lost} ms" for way, outage in outages.items())
    print(f"\n{mode}: {figures}")  # noqa: T201 - for whoever runs this with -s
    assert all(outage.lost < LOST_MAX for outage in outages.values()), outages
    assert all(end.group()["trouble"] == "" for end in (pair.a, pair.b))

    probes = pair.probes()
    pair.world.heal()
    pair.world.light("fibre", "a", on=True)
    until("both ends are Normal", pair.normal)
    time.sleep(0.1)
    assert {way: (outage.lost, outage.duplicated) for way, outage in probes.stop().items()} == {
        "a->b": (0, 0),
        "b->a": (0, 0),
    }


def test_a_one_way_cut_moves_the_end_that_still_hears(pair: Pair) -> None:
    pair.world.cut("fibre", towards="b")
    until("both ends on protection", lambda: pair.selectors() == ("protection", "protection"))
    assert pair.a.path("fibre")["diag"] == "Neighbor Signaled Session Down"
    assert pair.b.path("fibre")["diag"] == "Control Detection Time Expired"


def test_loss_of_light_takes_the_kernel_s_nexthop_and_routes_and_they_come_back(pair: Pair) -> None:
    pair.world.light("fibre", "a", on=False)
    until("a on protection", lambda: pair.a.group()["selector"] == "protection")
    routes = pair.world.ip("a", "-6" if ":" in pair.homes[0] else "-4", "route")
    assert "nhid 1000" in routes
    assert "dev sat" in next(line for line in routes.splitlines() if "nhid 1000" in line)
    pair.world.light("fibre", "a", on=True)
    until("both ends are Normal", pair.normal)
    routes = pair.world.ip("a", "-6" if ":" in pair.homes[0] else "-4", "route").splitlines()
    assert "dev fibre" in next(line for line in routes if "nhid 1000" in line)
    assert any("metric 20000" in line and "dev sat" in line for line in routes)


def test_without_a_fast_path_the_kernel_falls_back_to_the_floating_route(pair: Pair) -> None:
    pair.a.stop(signal.SIGKILL)
    try:
        pair.world.light("fibre", "a", on=False)
        version = "-6" if ":" in pair.homes[0] else "-4"
        until(
            "the floating route carries",
            lambda: "dev sat" in pair.world.ip("a", version, "route", "get", pair.homes[1]),
        )
    finally:
        pair.world.light("fibre", "a", on=True)
        pair.a.start()
    until("both ends are Normal", pair.normal)


@pytest.mark.parametrize(
    ("standing", "killed", "dead_for_s"),
    [("ipv4", "a", 0.0), ("ipv4", "b", 0.0), ("ipv4", "a", 4.5), ("ipv6", "a", 0.0), ("ipv6", "b", 4.5)],
    indirect=["standing"],
)
def test_a_killed_fast_path_moves_neither_end_and_loses_nothing(pair: Pair, killed: str, dead_for_s: float) -> None:
    end, other = (pair.a, pair.b) if killed == "a" else (pair.b, pair.a)
    before = other.group()["switch_count"]
    probes = pair.probes()
    end.stop(signal.SIGKILL)
    if dead_for_s:
        until("the other has noticed", lambda: {path["bfd"] for path in other.snapshot()["paths"]} == {"Down"})
        time.sleep(dead_for_s)
        assert [path["signal_fail"] for path in other.snapshot()["paths"]] == [False, False]
        assert other.group()["state"] == "Normal"
    end.start()
    until("both ends are Normal", pair.normal)
    until("sessions are Up", lambda: {path["bfd"] for path in other.snapshot()["paths"]} == {"Up"})
    time.sleep(0.1)
    outages = probes.stop()
    assert (end.group()["switch_count"], other.group()["switch_count"]) == (0, before)
    assert {way: outage.lost for way, outage in outages.items()} == {"a->b": 0, "b->a": 0}


@pytest.mark.parametrize("standing", ["ipv4"], indirect=True)
@pytest.mark.parametrize("killed", ["a", "b"])
def test_a_fast_path_killed_on_protection_goes_on_with_protection(pair: Pair, killed: str) -> None:
    end, other = (pair.a, pair.b) if killed == "a" else (pair.b, pair.a)
    pair.world.cut("fibre")
    until("both ends on protection", lambda: pair.selectors() == ("protection", "protection"))
    before = other.group()["switch_count"]
    probes = pair.probes()
    end.stop(signal.SIGKILL)
    end.start()
    assert end.group()["selector"] == "protection"
    until("it knows the fibre has failed", lambda: end.group()["state"] == "Protecting failure")
    until("the satellite path is Up", lambda: other.path("sat")["bfd"] == "Up")
    assert (end.group()["switch_count"], other.group()["switch_count"]) == (0, before)
    assert {way: outage.lost for way, outage in probes.stop().items()} == {"a->b": 0, "b->a": 0}
    pair.world.heal()
    until("both ends are Normal", pair.normal)


@pytest.mark.parametrize("standing", ["ipv6"], indirect=True)
def test_a_far_end_that_is_gone_for_good_keeps_its_path_only_while_its_host_answers(pair: Pair) -> None:
    pair.a.stop(signal.SIGKILL)
    try:
        until("b has noticed", lambda: pair.b.path("fibre")["bfd"] == "Down")
        pair.world.cut("fibre")
        until("b has switched", lambda: pair.b.group()["selector"] == "protection")
        assert pair.b.path("sat")["signal_fail"] is False
    finally:
        pair.world.heal()
        pair.a.start()
    until("both ends are Normal", pair.normal)


def test_a_stopped_fast_path_is_no_failure_to_the_other_end(pair: Pair) -> None:
    before = pair.b.group()["switch_count"]
    probes = pair.probes()
    pair.a.stop(signal.SIGTERM)
    until("b has heard", lambda: pair.b.path("fibre")["remote_bfd"] == "AdminDown")
    time.sleep(0.5)  # longer than either detection time
    assert pair.b.group()["switch_count"] == before
    assert pair.b.group()["selector"] == "working"
    pair.a.start()
    until("sessions are Up again", lambda: all(path["bfd"] == "Up" for path in pair.b.snapshot()["paths"]))
    outages = probes.stop()
    assert pair.b.group()["switch_count"] == before
    assert {way: outage.lost for way, outage in outages.items()} == {"a->b": 0, "b->a": 0}


def test_with_both_paths_gone_the_first_to_return_is_taken_at_once(pair: Pair) -> None:
    pair.world.cut("fibre")
    until("both ends on protection", lambda: pair.selectors() == ("protection", "protection"))
    pair.world.light("sat", "a", on=False)
    pair.world.light("sat", "b", on=False)
    try:
        until("no path is left", lambda: pair.a.group()["state"] == pair.b.group()["state"] == "No path")
        pair.world.heal()
        until("the fibre is taken", lambda: pair.selectors() == ("working", "working"))
        assert pair.a.group()["wtr_ends_at_ns"] is None
    finally:
        pair.world.light("sat", "a", on=True)
        pair.world.light("sat", "b", on=True)


def test_an_interface_made_anew_is_taken_into_service(pair: Pair) -> None:
    site, port = "a", pair.world.links["fibre"]["a"][1]
    address = pair.a.plan.sessions[0].local + ("/64" if ":" in pair.homes[0] else "/30")
    bridge = pair.world.ip("mid", "-o", "link", "show", port).split("master ")[1].split()[0]
    pair.world.ip("mid", "link", "delete", port)
    until("a on protection", lambda: pair.a.group()["selector"] == "protection")
    assert pair.a.path("fibre")["carrier"] is None
    pair.world.ip(
        "mid", "link", "add", port, "type", "veth", "peer", "name", "fibre", "netns", pair.world.namespace(site)
    )
    pair.world.ip("mid", "link", "set", port, "master", bridge, "up")
    pair.world.ip(site, "link", "set", "fibre", "up")
    pair.world.ip(site, "address", "add", address, "dev", "fibre", *(["nodad"] if ":" in address else []))
    until("both ends are Normal", pair.normal)


def test_what_others_delete_is_put_back(pair: Pair) -> None:
    version = "-6" if ":" in pair.homes[0] else "-4"
    pair.world.ip("a", "nexthop", "delete", "id", "1000")
    until("nexthop and route are back", lambda: "nhid 1000" in pair.world.ip("a", version, "route"), 3)
    floating = next(line for line in pair.world.ip("a", version, "route").splitlines() if "metric 20000" in line)
    pair.world.ip("a", version, "route", "delete", *floating.split()[:5], "metric", "20000")
    until("the floating route is back", lambda: "metric 20000" in pair.world.ip("a", version, "route"), 15)


def test_routes_of_ours_that_no_plan_knows_are_removed_at_start(pair: Pair) -> None:
    gateway = pair.a.plan.sessions[1].remote
    stranger = "fd00:dead::/64" if ":" in gateway else "10.99.0.0/24"
    version = "-6" if ":" in gateway else "-4"
    pair.world.ip(
        "a", version, "route", "add", stranger, "via", gateway, "dev", "sat", "metric", "20000", "proto", "201"
    )
    pair.world.ip("a", "nexthop", "add", "id", "1077", "via", gateway, "dev", "sat", "proto", "201")
    pair.a.stop()
    pair.a.start()
    until("both ends are Normal", pair.normal)
    assert stranger not in pair.world.ip("a", version, "route")
    assert "1077" not in pair.world.ip("a", "nexthop")


def test_a_second_fast_path_is_refused(pair: Pair) -> None:
    first = pair.a.process
    pair.a.start()
    second, pair.a.process = pair.a.process, first
    assert second.wait(10) == 2
    assert "another fast path listens" in (pair.a.run / "stderr").read_text()
    assert pair.normal()
