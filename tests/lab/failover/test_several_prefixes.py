"""One group carries several networks of both families; they go and come back together."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from failover_world import Probes, World, plan_of, two_sites, until

pytestmark = pytest.mark.lab

LOST_MAX = 200
NETWORKS = {
    "a": ("10.1.0.0/24", "10.11.0.0/24", "fd00:a::/64", "fd00:aa::/64"),
    "b": ("10.2.0.0/24", "10.12.0.0/24", "fd00:b::/64", "fd00:bb::/64"),
}
HOMES = {
    "a": ("10.1.0.1", "10.11.0.1", "fd00:a::1", "fd00:aa::1"),
    "b": ("10.2.0.1", "10.12.0.1", "fd00:b::1", "fd00:bb::1"),
}


def carried_by(world: World, site: str, home: str) -> str:
    """Return the interface by which a site sends to an address."""
    return world.ip(site, "route", "get", home).split(" dev ")[1].split()[0]


def test_networks_of_both_families_switch_together_and_come_back_without_loss(tmp_path: Path) -> None:
    """IPv4 goes by an IPv6 next hop, as RFC 8950 lets BGP do: the path itself needs one family only."""
    with two_sites("p", ipv6=True) as world:
        for site, homes in HOMES.items():
            for home in homes:
                if home != f"fd00:{site}::1":  # stands already
                    length = "128" if ":" in home else "32"
                    world.ip(site, "address", "add", f"{home}/{length}", "dev", "lo")
        ends = []
        for site, far, mine, theirs in (("a", "b", 1, 2), ("b", "a", 2, 1)):
            paths = {
                "fibre": ("fibre", f"fd00:64::{mine}", f"fd00:64::{theirs}", 10_000, 3),
                "sat": ("sat", f"fd00:66::{mine}", f"fd00:66::{theirs}", 100_000, 3),
            }
            ends.append(world.fast_path(site, plan_of(site, paths, NETWORKS[far], NETWORKS[site]), tmp_path))

        def normal() -> bool:
            return all(end.group()["state"] == "Normal" for end in ends)

        def all_by(interface: str) -> bool:
            return {carried_by(world, site, home) for site, far in (("a", "b"), ("b", "a")) for home in HOMES[far]} == {
                interface
            }

        until("both ends are Normal", normal)
        assert all_by("fibre")

        def probes() -> list[Probes]:
            found = []
            for number in (1, 2):  # a second IPv4 and the first IPv6 network
                directory = tmp_path / str(number)
                directory.mkdir(exist_ok=True)
                found.append(Probes(world, directory, HOMES["a"][number], HOMES["b"][number]))
            return found

        running = probes()
        world.cut("fibre")
        until("both on protection", lambda: all(end.group()["selector"] == "protection" for end in ends))
        time.sleep(0.1)
        assert all_by("sat")
        outages = {family: probe.stop() for family, probe in zip(("IPv4", "IPv6"), running, strict=True)}
        for family, ways in outages.items():
            print(f"\n{family}: " + ", ".join(f"{way} lost {outage.lost} ms" for way, outage in ways.items()))  # noqa: T201 - for whoever runs this with -s
            assert all(0 < outage.lost < LOST_MAX for outage in ways.values()), outages

        running = probes()
        world.heal()
        until("both ends are Normal", normal)
        time.sleep(0.1)
        assert all_by("fibre")
        for probe in running:
            assert {(outage.lost, outage.duplicated) for outage in probe.stop().values()} == {(0, 0)}
        assert all(end.group()["trouble"] == "" for end in ends)
