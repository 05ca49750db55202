"""A cut with everything real: command line, agents, fast paths, hub, a modem of 4 Mbit/s, address translation.

On satellite images flood and voice does not notice; in rain the same; on revert nothing stays on the satellite. The
figures are printed, `pytest -s` shows them.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from failover_world import World, run, two_sites, until
from tcp_flow import HOME_A, HOME_B, Flow
from traffic_load import IMAGES, VOICE, images, run_streams, tell, voice

pytestmark = pytest.mark.lab

LIFELINE = str(Path(sys.executable).parent / "lifeline")
INVENTORY = """
lifeline: 1
sites:
  a: {kind: super-base-station, name: Station, prefixes: [10.1.0.0/24], agent: true}
  b: {kind: core-room-wired, name: Core, prefixes: [10.2.0.0/24], agent: true}
traffic_classes:
  voice: {priority: 1, dscp: [EF]}
  data: {priority: 3}
  images: {priority: 4, dscp: [AF41]}
traffic_profiles:
  satellite:
    round_trip_ms: 100
    classes:
      voice: {guaranteed_kbps: 1536, queue_ms: 60}
      data: {guaranteed_kbps: 768}
      images: {}
links:
  fibre:
    media: fibre
    a: {site: a, interface: fibre, address: 10.64.0.1/30}
    b: {site: b, interface: fibre, address: 10.64.0.2/30}
    bfd: {interval_ms: 20}
  sat:
    media: satellite
    a: {site: a, interface: sat, address: 10.66.0.1/24}
    b: {site: b, interface: sat, address: 10.66.0.2/24}
    bfd: {interval_ms: 100}
    capacity_kbps: 4000
    traffic_profile: satellite
protection_groups:
  pg: {working: fibre, protection: sat, wtr_ms: 0, prefixes: {a: [10.2.0.0/24], b: [10.1.0.0/24]}}
"""


class Network:
    """Two sites and a hub, all through the command line."""

    def __init__(self, world: World, directory: Path) -> None:
        self.world, self.directory = world, directory
        self.flows: list[Flow] = []
        (directory / "inventory.yml").write_text(INVENTORY)
        at = ("--inventory", f"{directory}/inventory.yml")
        self._start("mid", "hub", "run", *at, "--data", f"{directory}/hub-data", "--run", f"{directory}/hub")
        for site in "ab":
            self._start(site, "fastpath", "run", *at, "--site", site, *self._kept(site))
        self._agents = {site: self.start_agent(site) for site in "ab"}

    @property
    def hub(self) -> str:
        return f"unix://{self.directory}/hub/hub.sock"

    def start_agent(self, site: str) -> subprocess.Popen[bytes]:
        at = ("--inventory", f"{self.directory}/inventory.yml", "--site", site, *self._kept(site))
        return self._start(site, "agent", "run", *at, "--hub", self.hub, "--metrics", "off")

    def _kept(self, site: str) -> tuple[str, ...]:
        return "--run", f"{self.directory}/{site}", "--data", f"{self.directory}/data-{site}"

    def stop_agent(self) -> None:
        self.world.end(self._agents["a"])

    def _start(self, name: str, *argv: str) -> subprocess.Popen[bytes]:
        with (self.directory / f"{argv[0]}-{name}.log").open("ab") as log:
            return self.world.spawn(name, LIFELINE, *argv, stdout=log, stderr=log)

    def verb(self, *argv: str) -> str:
        """Run a verb and return what it said, which is nothing sensible while the hub is not there."""
        done = subprocess.run(
            [LIFELINE, *argv], env={**os.environ, "LIFELINE_HUB": self.hub, "LIFELINE_LANG": "en"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=30,
        )  # fmt: skip
        return done.stdout

    def shown(self) -> dict[str, Any]:
        with contextlib.suppress(json.JSONDecodeError):
            found: dict[str, Any] = json.loads(self.verb("link", "show", "sat", "--json"))
            return found
        return {"group": {"selector": None}, "traffic": []}

    def until_selector(self, selector: str) -> None:
        until(f"both ends are on {selector}", lambda: self.shown()["group"]["selector"] == selector)

    def classes(self, site: str) -> dict[str, dict[str, Any]]:
        """Return what a site tells of the satellite's classes, through the hub."""
        (told,) = [it["body"] for it in self.shown()["traffic"] if it["body"]["site"] == site]
        return {one["class"]: one for one in told["classes"]}

    def events(self, kind: str) -> list[dict[str, Any]]:
        listed = json.loads(self.verb("event", "list", "--json"))["events"]
        return [event["body"] for event in listed if event["kind"] == kind]

    def modem(self, kbps: int) -> None:
        """Let the modem carry so much, with 300 ms of buffer and one queue for all."""
        for _interface, port in self.world.links["sat"].values():
            limit = str(kbps * 1000 // 8 * 3 // 10)
            run("tc", "-n", self.world.namespace("mid"), "qdisc", "replace", "dev", port, "root", "tbf", "rate",
                f"{kbps}kbit", "burst", "3000", "limit", limit)  # fmt: skip

    def flow(self, port: int, server: str = HOME_B) -> Flow:
        self.flows.append(Flow(self.world, server, port, HOME_A))
        return self.flows[-1]

    def nft(self, rules: str) -> str:
        return run("ip", "netns", "exec", self.world.namespace("a"), "nft", rules)


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with two_sites("s") as world:
        found = Network(world, tmp_path)
        try:
            found.modem(4000)
            found.until_selector("working")
            until("both ends divide the satellite", lambda: len(found.shown()["traffic"]) == 2)
            yield found
        finally:
            for flow in found.flows:
                flow.close()


def load() -> tuple[dict[str, Any], ...]:
    return voice(HOME_B), images(HOME_B)


def test_voice_does_not_notice_and_nothing_stays_on_the_satellite(network: Network) -> None:
    network.nft(
        "add table ip nat; add chain ip nat post { type nat hook postrouting priority srcnat; }; "
        "add rule ip nat post oifname sat tcp dport { 7001, 7003 } masquerade; "
        "add rule ip nat post oifname fibre tcp dport 7004 snat to 10.64.0.1"
    )
    before_the_cut, stranded = network.flow(7002), network.flow(7004)
    network.stop_agent()
    network.world.cut("fibre")
    until("the traffic goes by satellite", lambda: "dev sat" in network.world.ip("a", "route", "get", HOME_B))
    assert before_the_cut.lives(), "what is routed moves by itself"
    assert not stranded.lives(), "nothing was stranded, so this test proves nothing"
    network.start_agent("a")
    until("what was stranded while the agent was dead is reset", lambda: bool(network.events("traffic")))
    (reset,) = network.events("traffic")
    assert (reset["site"], reset["link"], reset["flows"]) == ("a", "sat", [stranded.text])
    network.until_selector("protection")

    arrived = run_streams(network.world, "a", "b", *load())
    tell("on satellite, 4 Mbit/s, images flood", arrived)
    assert arrived[VOICE].lost == 0
    assert arrived[VOICE].delays_ms[-1] < 50
    assert arrived[IMAGES].kbps > 2500
    classes = network.classes("a")
    assert classes["voice"]["dropped"] == 0
    assert classes["voice"]["sent_packets"] >= arrived[VOICE].sent
    assert classes["images"]["dropped"] > 0
    text = network.verb("link", "show", "sat")
    assert "a divides 3800 kbit/s" in text
    assert "images" in text

    network.modem(2000)
    for site in "ab":
        assert "2000 kbit/s" in network.verb("agent", "capacity", "sat", "--kbps", "2000", "--by", "modem",
                                             "--run", f"{network.directory}/{site}")  # fmt: skip
    until("both ends divide less", lambda: network.verb("link", "show", "sat").count("1900 instead of 3800") == 2)
    assert network.classes("a")["voice"]["sent_packets"] >= classes["voice"]["sent_packets"], "the same queues go on"
    arrived = run_streams(network.world, "a", "b", *load(), seconds=2.0)
    tell("the same in rain, 2 Mbit/s", arrived)
    assert arrived[VOICE].lost == 0
    assert arrived[VOICE].delays_ms[-1] < 50
    assert arrived[IMAGES].kbps > 1000
    assert "capacity-reduced" in network.verb("alarm", "list")

    pinned, elsewhere = network.flow(7001), network.flow(7003, server="10.66.0.2")
    assert pinned.seen_as[0] == elsewhere.seen_as[0] == "10.66.0.1"
    network.world.heal()
    network.until_selector("working")
    until("the stranded flow is reset, and told", lambda: len(network.events("traffic")) == 2)
    reset = max(network.events("traffic"), key=lambda it: it["link"] == "fibre")
    assert (reset["site"], reset["group"], reset["link"]) == ("a", "pg", "fibre")
    assert reset["flows"] == [pinned.text]
    assert pinned.is_told_of_its_end()
    on_satellite = network.classes("a")
    assert elsewhere.lives(), "it never belonged to the group"
    assert before_the_cut.lives()
    arrived = run_streams(network.world, "a", "b", *load(), seconds=2.0)
    tell("back on fibre", arrived)
    assert arrived[VOICE].lost == 0
    until("what is told is of now", lambda: network.classes("a")["control"] != on_satellite["control"])
    now = network.classes("a")
    for name in ("voice", "images"):
        assert now[name]["sent_packets"] == on_satellite[name]["sent_packets"], "nothing stays on the satellite"
