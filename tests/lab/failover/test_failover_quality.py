"""Two real ends measure two paths by STAMP; losses are made in the middle, in one direction.

Bounds are generous (a busy machine is no failure); the figures are printed, `pytest -s` shows them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from failover_world import World, two_sites, until

pytestmark = pytest.mark.lab

ADDRESSES = {
    "ipv4": {"fibre": ("10.64.0.1", "10.64.0.2"), "sat": ("10.66.0.1", "10.66.0.2")},
    "ipv6": {"fibre": ("fd00:64::1", "fd00:64::2"), "sat": ("fd00:66::1", "fd00:66::2")},
}
WINDOW_S = 2.0


class Measured:
    """Both ends of some paths, and what they say."""

    def __init__(self, world: World, directory: Path, addresses: dict[str, tuple[str, str]]) -> None:
        self.world, self.directory, self.addresses = world, directory, addresses
        for link, pair in addresses.items():
            for site, (local, remote) in (("a", pair), ("b", pair[::-1])):
                self.start(site, link, local, remote)
        for link in addresses:
            for site in "ab":
                until(f"{site} knows {link}", lambda site=site, link=link: self.known(site, link))

    def start(self, site: str, link: str, local: str, remote: str, *options: str) -> None:
        end = str(Path(__file__).with_name("quality_end.py"))
        result = str(self.directory / f"{site}-{link}.json")
        self.world.spawn(site, sys.executable, end, link, local, remote, result, *options)

    def says(self, site: str, link: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.directory / f"{site}-{link}.json").read_text())
        return told

    def known(self, site: str, link: str) -> bool:
        return (self.directory / f"{site}-{link}.json").exists() and bool(self.says(site, link)["known"])

    def sound(self, *links: str) -> bool:
        return all(
            self.says(site, link)["figures"]["probes"] and not self.says(site, link)["figures"]["loss_pct"]
            for site in "ab"
            for link in links
        )

    def lose(self, link: str, *, sent_by: str, percent: int) -> None:
        self.world.lose(link, sent_by=sent_by, percent=percent)

    def heal(self) -> None:
        self.world.heal()


@pytest.fixture(scope="module", params=["ipv4", "ipv6"])
def standing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    with two_sites("q" + request.param[-1], ipv6=request.param == "ipv6") as world:
        yield Measured(world, tmp_path_factory.mktemp("quality"), ADDRESSES[request.param])


@pytest.fixture
def measured(standing: Measured) -> Iterator[Measured]:
    until("both paths are sound", lambda: standing.sound("fibre", "sat"))
    yield standing
    standing.heal()


@pytest.mark.parametrize(("sent_by", "other"), [("a", "b"), ("b", "a")])
def test_loss_in_one_direction_degrades_both_ends_views_of_that_direction(
    measured: Measured, sent_by: str, other: str
) -> None:
    before = {site: len(measured.says(site, "fibre")["changes"]) for site in "ab"}
    began = time.monotonic()
    measured.lose("fibre", sent_by=sent_by, percent=5)
    for site, direction in ((sent_by, "forward"), (other, "backward")):
        until(f"{site} is degraded", lambda site=site: measured.says(site, "fibre")["raised"])
        change = measured.says(site, "fibre")["changes"][before[site]]
        print(f"\n{site} degraded after {change['at'] - began:.2f} s: {change['reasons']}")  # noqa: T201 - for whoever runs this with -s
        assert change["at"] - began < WINDOW_S + 2
        assert [reason.split(" loss")[0] for reason in change["reasons"]] == [direction]
    time.sleep(WINDOW_S)  # a window that is full of the present loss
    for site, direction, opposite in ((sent_by, "forward", "backward"), (other, "backward", "forward")):
        figures = measured.says(site, "fibre")["figures"]
        print(f"{site}: {figures}")  # noqa: T201 - for whoever runs this with -s
        assert 1 <= figures[f"loss_{direction}_pct"] <= 12
        assert figures[f"loss_{opposite}_pct"] < 1
        assert measured.says(site, "sat")["figures"]["loss_pct"] == 0
    healed = time.monotonic()
    measured.heal()
    for site in "ab":
        until(f"{site} is sound", lambda site=site: not measured.says(site, "fibre")["raised"])
        at = measured.says(site, "fibre")["changes"][-1]["at"]
        print(f"{site} sound after {at - healed:.2f} s")  # noqa: T201 - for whoever runs this with -s
        assert at - healed < WINDOW_S + 2


def test_a_dead_path_is_silent_and_not_degraded(measured: Measured) -> None:
    before = len(measured.says("a", "fibre")["changes"])
    measured.world.cut("fibre")
    until("a hears nothing", lambda: measured.says("a", "fibre")["silent_s"] > 3)
    measured.world.heal()
    until("the path is sound", lambda: measured.sound("fibre") and measured.known("a", "fibre"))
    assert len(measured.says("a", "fibre")["changes"]) == before


def test_no_probe_leaves_by_another_path_whatever_the_routes_say(measured: Measured) -> None:
    world = measured.world
    remotes = {link: remote for link, (_local, remote) in measured.addresses.items()}
    version = "ip6" if ":" in remotes["fibre"] else "ip"
    detour = (remotes["fibre"], "via", remotes["sat"], "dev", "sat", "metric", "1")
    world.ip("a", "route", "add", *detour)
    lines = ["add table netdev tally"]
    for link in remotes:
        port = world.links[link]["a"][1]
        lines.append(f"add chain netdev tally {port} {{ type filter hook ingress device {port} priority -10; }}")
        for target, remote in remotes.items():
            lines.append(
                f"add rule netdev tally {port} {version} daddr {remote} udp dport 862 "
                f'counter comment "to {target} by {link}"'
            )
    try:
        before = measured.says("a", "fibre")["sent"]
        world.nft("; ".join(lines))
        until("300 probes are sent", lambda: measured.says("a", "fibre")["sent"] - before > 300)
        listing = world.nft("list table netdev tally")
    finally:
        world.nft("delete table netdev tally", check=False)
        world.ip("a", "route", "delete", *detour, check=False)
    found = re.findall(r"counter packets (\d+) bytes \d+ comment \"(to \w+ by \w+)\"", listing)
    seen = {what: int(packets) for packets, what in found}
    print(f"\n{seen}")  # noqa: T201 - for whoever runs this with -s
    assert seen["to fibre by fibre"] > 250
    assert seen["to sat by sat"] > 250
    assert (seen["to fibre by sat"], seen["to sat by fibre"]) == (0, 0)
    assert measured.says("a", "fibre")["figures"]["loss_pct"] == 0


def _python_with_scapy() -> str | None:
    """Return an interpreter that has Scapy, whose packets are the only other make of STAMP that Debian has."""
    for python in (sys.executable, "/usr/bin/python3", os.environ.get("LIFELINE_SCAPY_PYTHON", "")):
        probe = [python, "-c", "import scapy.contrib.stamp"]
        if python and Path(python).exists() and not subprocess.run(probe, capture_output=True, check=False).returncode:
            return python
    return None


def test_a_stateless_reflector_of_another_make_is_measured(tmp_path: Path) -> None:
    python = _python_with_scapy()
    if python is None:
        pytest.skip("needs Scapy: apt install python3-scapy")
    with two_sites("qs") as world:
        reflector = str(Path(__file__).with_name("scapy_reflector.py"))
        world.spawn("b", python, reflector, "10.64.0.2", stderr=subprocess.DEVNULL)
        measured = Measured(world, tmp_path, {})
        measured.start("a", "fibre", "10.64.0.1", "10.64.0.2", "stateless")
        until("a knows the path", lambda: measured.known("a", "fibre"), 30)
        sound = measured.says("a", "fibre")
        measured.lose("fibre", sent_by="a", percent=20)
        until("a is degraded", lambda: measured.says("a", "fibre")["raised"])
        print(f"\n{sound}\n{measured.says('a', 'fibre')}")  # noqa: T201 - for whoever runs this with -s
        assert (sound["refused"], sound["strange"], sound["figures"]["loss_pct"]) == ({}, 0, 0)
        assert measured.says("a", "fibre")["figures"]["loss_forward_pct"] is None
