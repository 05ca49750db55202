"""Operators' commands all the way: command line, hub, agents, fast paths at both ends, and the kernel's routes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from failover_world import World, plan_of, two_sites, until

from failover.agent.plan import AgentPlan

pytestmark = pytest.mark.lab

LIFELINE = str(Path(sys.executable).parent / "lifeline")
PATHS = {"fibre": ("fibre", "10.64.0.1", "10.64.0.2", 10_000, 3), "sat": ("sat", "10.66.0.1", "10.66.0.2", 100_000, 3)}
INVENTORY = """
lifeline: 1
sites:
  a: {kind: super-base-station, name: Station, prefixes: [10.1.0.0/24], agent: true}
  b: {kind: core-room-wired, name: Core, prefixes: [10.2.0.0/24], agent: true}
links:
  fibre:
    media: fibre
    a: {site: a, interface: fibre, address: 10.64.0.1/24}
    b: {site: b, interface: fibre, address: 10.64.0.2/24}
    bfd: {interval_ms: 10}
  sat:
    media: satellite
    a: {site: a, interface: sat, address: 10.66.0.1/24}
    b: {site: b, interface: sat, address: 10.66.0.2/24}
    bfd: {interval_ms: 100}
protection_groups:
  pg: {working: fibre, protection: sat, wtr_ms: 0, prefixes: {a: [10.2.0.0/24], b: [10.1.0.0/24]}}
"""


class Network:
    """Two sites with fast paths and agents, and the hub that both report to."""

    def __init__(self, world: World, directory: Path) -> None:
        self.world, self.directory = world, directory
        self.url = f"unix://{directory}/hub/hub.sock"
        (directory / "inventory.yml").write_text(INVENTORY)
        self.hub = self.start_hub()
        mirrored = {link: (i, theirs, mine, us, n) for link, (i, mine, theirs, us, n) in PATHS.items()}
        self.ends = {
            "a": world.fast_path("a", plan_of("a", PATHS, ("10.2.0.0/24",), ("10.1.0.0/24",)), directory),
            "b": world.fast_path("b", plan_of("b", mirrored, ("10.1.0.0/24",), ("10.2.0.0/24",)), directory),
        }
        self.agents = {site: self.start_agent(site) for site in self.ends}

    def start_hub(self) -> subprocess.Popen[bytes]:
        files = ("--inventory", f"{self.directory}/inventory.yml", "--data", f"{self.directory}/hub-data")
        with (self.directory / "hub-stderr").open("ab") as stderr:
            return self.world.spawn(
                "mid", LIFELINE, "hub", "run", *files, "--run", f"{self.directory}/hub", "--name", "noc", stderr=stderr
            )

    def start_agent(self, site: str) -> subprocess.Popen[bytes]:
        end = self.ends[site]
        plan = AgentPlan.compile(
            end.plan, data=f"{self.directory}/data-{site}", run=str(end.run), hubs=(self.url,), token_file=None,
            ca=None, metrics=None,
        )  # fmt: skip
        plan.save(end.run / "agent-plan.json")
        with (end.run / "agent-stderr").open("ab") as stderr:
            return self.world.spawn(
                site, sys.executable, "-m", "failover.agent", str(end.run / "agent-plan.json"), stderr=stderr
            )

    def verb(self, *args: str) -> tuple[int, str]:
        """Run `lifeline protection` and return its exit code and all that it said."""
        done = subprocess.run(
            [LIFELINE, "protection", *args], env={**os.environ, "LIFELINE_HUB": self.url, "LIFELINE_LANG": "en"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=30,
        )  # fmt: skip
        return done.returncode, done.stdout

    def shown(self) -> dict[str, Any]:
        """Return the group as the hub shows it, and its commands."""
        code, out = self.verb("show", "pg", "--json")
        found: dict[str, Any] = json.loads(out) if code == 0 else {"group": {"selector": out}, "commands": []}
        return found

    def begin_anew(self) -> None:
        """Start what a test has ended, and clear what it ordered."""
        if self.hub.poll() is not None:
            self.hub = self.start_hub()
        for site, agent in self.agents.items():
            if agent.poll() is not None:
                self.agents[site] = self.start_agent(site)
        for site in self.ends:
            until(f"nothing is ordered at {site}", lambda site=site: self._is_clear(site))  # type: ignore[misc] # as below

    def _is_clear(self, site: str) -> bool:
        ordered = bool(self.ends[site].group()["commands"])
        if ordered:
            self.verb("clear", "pg", "--at", site, "--yes")
        return not ordered

    def until_selector(self, selector: str) -> None:
        """Wait until both ends are on a path, in the hub's eyes."""
        until(f"both ends are on {selector}", lambda: self.shown()["group"]["selector"] == selector)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with two_sites("c") as world:
        yield Network(world, tmp_path_factory.mktemp("commands"))


@pytest.fixture
def network(standing: Network) -> Iterator[Network]:
    for name, end in standing.ends.items():
        until(f"{name} is Normal", lambda end=end: end.group()["state"] == "Normal")  # type: ignore[misc] # mypy knows no type for a lambda's default
    standing.until_selector("working")
    yield standing
    standing.begin_anew()


def selectors(network: Network) -> set[str]:
    return {end.group()["selector"] for end in network.ends.values()}


def latest(network: Network) -> dict[str, Any]:
    """Return the last command that was asked for, as the hub has it; while it has none, one without a phase."""
    found: dict[str, Any] = next(iter(network.shown()["commands"]), {"phase": None})
    return found


def test_a_dry_run_moves_nothing_and_yes_moves_both_ends(network: Network) -> None:
    code, out = network.verb("force", "pg")
    assert (code, "Traffic would move from fibre to sat." in out) == (0, True), out
    assert "Both paths work: no loss is expected." in out
    assert selectors(network) == {"working"}

    code, out = network.verb("force", "pg", "--yes", "--text", "splicing")
    assert (code, "force of pg at a: done" in out) == (0, True), out
    until("both ends have switched", lambda: selectors(network) == {"protection"})
    network.until_selector("protection")
    assert latest(network)["phase"] == "done"

    code, out = network.verb("manual", "pg", "--to", "working", "--yes")
    assert (code, "the group is forced by command (FS)" in out) == (5, True), out
    code, out = network.verb("clear", "pg", "--yes")
    assert (code, "clear of pg at a: done" in out) == (0, True), out
    network.until_selector("working")


def test_clear_finds_the_end_where_the_lockout_stands(network: Network) -> None:
    assert network.verb("lockout", "pg", "--at", "b", "--yes")[0] == 0
    until("the hub has heard", lambda: network.shown()["group"]["ends"]["b"]["commands"] == ["lockout"])
    code, out = network.verb("force", "pg")
    assert (code, "the far end is locked out by command (LO)" in out) == (5, True), out
    code, out = network.verb("clear", "pg", "--yes")
    assert (code, "clear of pg at b: done" in out) == (0, True), out


def test_the_core_acts_for_a_station_that_is_not_connected(network: Network) -> None:
    network.world.end(network.agents["a"])
    code, out = network.verb("exercise", "pg", "--yes")
    assert (code, "exercise of pg at b: done" in out) == (0, True), out
    network.world.end(network.agents["b"])
    code, out = network.verb("clear", "pg", "--yes", "--at", "b")
    assert (code, "the agent of b is not connected" in out) == (3, True), out


def test_an_order_that_outlives_its_hub_is_settled_when_the_hub_is_back(network: Network) -> None:
    """The agent stands still until the hub does, so that the hub dies with the intent and without the outcome."""
    network.agents["a"].send_signal(signal.SIGSTOP)
    asking = subprocess.Popen(
        [LIFELINE, "protection", "force", "pg", "--at", "a", "--yes"],
        env={**os.environ, "LIFELINE_HUB": network.url, "LIFELINE_LANG": "en"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until("the intent is on record", lambda: latest(network)["phase"] == "requested")
    network.hub.send_signal(signal.SIGSTOP)
    network.agents["a"].send_signal(signal.SIGCONT)
    until("the order is carried out", lambda: network.ends["a"].group()["selector"] == "protection")
    network.world.end(network.hub)
    asking.wait(20)
    assert asking.returncode in (3, 4)
    network.hub = network.start_hub()
    until("it is settled", lambda: latest(network)["phase"] == "done")
