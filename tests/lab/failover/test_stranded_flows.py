"""Real fast paths, real address translation, a cut: which flows are reset, which live, what is left after a revert."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from failover_world import FastPathProcess, World, plan_of, run, two_sites, until
from inside import inside
from tcp_flow import HOME_A, HOME_B, Flow

from failover.core.stranded import PathPin
from failover.io.conntrack import Reset, reset_stranded, tracked

pytestmark = pytest.mark.lab

FIBRE = PathPin("pg", "fibre", ("10.64.0.1",), ("10.2.0.0/24",))
SATELLITE = PathPin("pg", "sat", ("10.66.0.1",), ("10.2.0.0/24",))


class Sites:
    def __init__(self, world: World, directory: Path) -> None:
        self.world = world
        ends = []
        for site, mine, theirs in (("a", 1, 2), ("b", 2, 1)):
            paths = {
                "fibre": ("fibre", f"10.64.0.{mine}", f"10.64.0.{theirs}", 20_000, 3),
                "sat": ("sat", f"10.66.0.{mine}", f"10.66.0.{theirs}", 100_000, 3),
            }
            networks = (f"10.{theirs}.0.0/24",), (f"10.{mine}.0.0/24",)
            ends.append(world.fast_path(site, plan_of(site, paths, *networks), directory))
        self.ends: list[FastPathProcess] = ends
        self.flows: list[Flow] = []
        until("both ends are Normal", self.normal)

    def normal(self) -> bool:
        return all(end.group()["state"] == "Normal" for end in self.ends)

    def cut(self) -> None:
        self.world.cut("fibre")
        until("both on protection", lambda: all(end.group()["selector"] == "protection" for end in self.ends))

    def heal(self) -> None:
        self.world.heal()
        until("both ends are Normal", self.normal)

    def flow(self, port: int, server: str = HOME_B, source: str = HOME_A) -> Flow:
        self.flows.append(Flow(self.world, server, port, source))
        return self.flows[-1]

    def nft(self, rules: str) -> str:
        return run("ip", "netns", "exec", self.world.namespace("a"), "nft", rules)

    def reset(self, pin: PathPin) -> Reset:
        return inside(self.world.namespace("a"), reset_stranded, pin)

    def tracked(self) -> int:
        return inside(self.world.namespace("a"), tracked)

    def sent(self, interface: str) -> int:
        """Return how many TCP packets have left `a` by an interface."""
        return int(self.nft(f"list counter inet watch {interface}").split("packets ")[1].split()[0])


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[Sites]:
    with two_sites("n") as world:
        found = Sites(world, tmp_path)
        try:
            yield found
        finally:
            for flow in found.flows:
                flow.close()


NAT = "add table ip nat; add chain ip nat post { type nat hook postrouting priority srcnat; }"
WATCH = (
    "add table inet watch; add counter inet watch fibre; add counter inet watch sat; "
    "add chain inet watch post { type filter hook postrouting priority 0; }; "
    "add rule inet watch post meta l4proto tcp ct state established oifname fibre counter name fibre; "
    "add rule inet watch post meta l4proto tcp ct state established oifname sat counter name sat"
)


def test_exactly_the_stranded_flows_are_reset(sites: Sites) -> None:
    sites.nft(
        f"{NAT}; add rule ip nat post oifname fibre tcp dport {{ 7001, 7004 }} masquerade; "
        "add rule ip nat post oifname fibre tcp dport {{ 7005, 7007 }} snat to 10.64.0.1; "
        "add rule ip nat post oifname sat tcp dport 7003 masquerade"
    )
    masqueraded, fixed, proof = sites.flow(7001), sites.flow(7005), sites.flow(7007)
    routed = sites.flow(7002)
    elsewhere = sites.flow(7003, server="10.66.0.2")
    neighbour = sites.flow(7004, server="10.64.0.2")
    assert masqueraded.seen_as[0] == fixed.seen_as[0] == neighbour.seen_as[0] == "10.64.0.1"
    assert (routed.seen_as[0], elsewhere.seen_as[0]) == (HOME_A, "10.66.0.1")

    sites.cut()
    assert not proof.lives(), "nothing was stranded, so this test proves nothing"
    before = sites.tracked()
    done = sites.reset(FIBRE)
    assert sorted(done.flows) == sorted([masqueraded.text, fixed.text, proof.text])
    assert done.refused == ""
    assert before - sites.tracked() == 3
    assert routed.lives()
    assert elsewhere.lives()
    assert masqueraded.is_told_of_its_end()
    assert fixed.is_told_of_its_end()
    assert sites.reset(FIBRE).flows == (), "a second time there is nothing left to do"

    sites.world.heal()
    assert neighbour.lives(), "the neighbour on the fibre was never moved"


def test_a_routed_network_has_nothing_to_reset_and_its_flows_move_there_and_back(sites: Sites) -> None:
    sites.nft(WATCH)
    flow = sites.flow(7002)
    sites.cut()
    assert flow.lives()
    assert sites.tracked() > 0
    assert sites.reset(FIBRE).flows == ()
    begun_on_satellite = sites.flow(7006)
    assert sites.sent("sat") > 0

    sites.heal()
    assert sites.reset(SATELLITE).flows == ()
    on_satellite, on_fibre = sites.sent("sat"), sites.sent("fibre")
    assert flow.lives()
    assert begun_on_satellite.lives()
    assert sites.sent("sat") == on_satellite, "nothing stays behind on the satellite"
    assert sites.sent("fibre") > on_fibre


def test_on_revert_what_was_translated_for_the_satellite_is_reset(sites: Sites) -> None:
    sites.nft(f"{NAT}; add rule ip nat post oifname sat tcp dport 7001 masquerade; {WATCH}")
    sites.cut()
    pinned, routed = sites.flow(7001), sites.flow(7002)
    assert pinned.seen_as[0] == "10.66.0.1"
    sites.heal()
    assert sites.reset(SATELLITE).flows == (pinned.text,)
    assert pinned.is_told_of_its_end()
    assert routed.lives()


def test_flows_that_carry_the_paths_mark_are_reset_and_others_are_not(sites: Sites) -> None:
    sites.nft(
        "add table inet pin; add chain inet pin out { type filter hook output priority 0; }; "
        "add rule inet pin out tcp dport 7001 ct mark set 0x10; add rule inet pin out tcp dport 7002 ct mark set 0x20"
    )
    marked, other = sites.flow(7001), sites.flow(7002)
    sites.cut()
    assert sites.reset(replace(FIBRE, mark=0x10)).flows == (marked.text,)
    assert other.lives()


def test_where_nothing_is_tracked_nothing_is_done(sites: Sites) -> None:
    assert sites.tracked() == 0
    assert sites.reset(FIBRE) == Reset(())
