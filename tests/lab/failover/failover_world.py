"""A small world of network namespaces: two sites, two paths between them, and a middle where cables are cut.

Names carry the process id, so that several runs can stand at once. `close` removes everything and ends only the
processes that this world started.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from failover.keys import FILE, Keys
from failover.plan import FastPathPlan, GroupPlan, SessionPlan
from failover.quality_plan import QualityPlan
from lifeline.runtime.files import write_json

REPOSITORY = Path(__file__).parents[3]


def run(*argv: str, check: bool = True) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def lacking() -> str:
    """Return what these tests lack on this machine, or an empty string."""
    if os.geteuid() != 0:
        return "needs root: network namespaces"
    if missing := [tool for tool in ("ip", "nft", "sysctl") if shutil.which(tool) is None]:
        return f"needs {', '.join(missing)}"
    name = f"ffcheck{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return "needs to make network namespaces"
    try:
        rule = "add table netdev t; add chain netdev t c { type filter hook ingress device lo priority 0; }"
        probe = ["ip", "netns", "exec", name, "nft", rule]
        lacking = subprocess.run(probe, capture_output=True, check=False).returncode
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=False)
    return "needs nftables with netdev ingress hooks in the kernel" if lacking else ""


class World:
    """Namespaces `a` and `b`, one path per name in `links`, each over a bridge of its own in namespace `mid`."""

    def __init__(self, tag: str = "") -> None:
        self._tag = f"ff{os.getpid()}{tag}"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._count = 0
        self.links: dict[str, dict[str, tuple[str, str]]] = {}  # link -> namespace -> (interface, port in the middle)
        for name in ("a", "b", "mid"):
            run("ip", "netns", "add", self.namespace(name))
            self.ip(name, "link", "set", "lo", "up")

    def namespace(self, name: str) -> str:
        return f"{self._tag}-{name}"

    def ip(self, name: str, *argv: str, check: bool = True) -> str:
        return run("ip", "-n", self.namespace(name), *argv, check=check)

    def nft(self, rule: str, *, check: bool = True) -> str:
        return run("ip", "netns", "exec", self.namespace("mid"), "nft", rule, check=check)

    def sysctl(self, name: str, setting: str) -> None:
        run("ip", "netns", "exec", self.namespace(name), "sysctl", "-qw", setting)

    def link(self, name: str, interface: str, a_address: str, b_address: str) -> None:
        """Lay a path: one cable from each site to a bridge in the middle."""
        number = self._count = self._count + 1
        bridge = f"br{number}"
        self.ip("mid", "link", "add", bridge, "type", "bridge", "stp_state", "0", "mcast_snooping", "0")
        self.ip("mid", "link", "set", bridge, "up")
        ends = {}
        for site, address in (("a", a_address), ("b", b_address)):
            port = f"{site}{number}"
            self.ip(
                "mid", "link", "add", port, "type", "veth", "peer", "name", interface, "netns", self.namespace(site)
            )
            self.ip("mid", "link", "set", port, "master", bridge, "up")
            self.ip(site, "address", "add", address, "dev", interface, *(["nodad"] if ":" in address else []))
            self.ip(site, "link", "set", interface, "up")
            ends[site] = (interface, port)
        self.links[name] = ends

    # ------------------------------------------------------------ faults

    def cut(self, *links: str, towards: str | None = None) -> None:
        """Drop frames in the middle, silently: both ways, or only those towards one site."""
        lines = ["add table netdev cut"]
        for site, (_interface, port) in (end for link in links for end in self.links[link].items()):
            if towards is None or site != towards:
                lines.append(
                    f"add chain netdev cut {port} {{ type filter hook ingress device {port} priority 0; policy drop; }}"
                )
        self.nft("; ".join(lines))

    def heal(self) -> None:
        self.nft("delete table netdev cut", check=False)
        self.nft("delete table netdev lossy", check=False)

    def lose(self, link: str, *, sent_by: str, percent: int) -> None:
        """Drop this share of what one site sends over a link."""
        port = self.links[link][sent_by][1]
        self.nft(
            "add table netdev lossy; "
            f"add chain netdev lossy c {{ type filter hook ingress device {port} priority 0; }}; "
            f"add rule netdev lossy c meta l4proto udp numgen random mod 100 < {percent} drop"
        )

    def light(self, link: str, site: str, *, on: bool) -> None:
        """Switch the light of one site's end off or on; the other site's stays."""
        self.ip("mid", "link", "set", self.links[link][site][1], "up" if on else "down")

    # ------------------------------------------------------------ processes

    def spawn(self, name: str, *argv: str, **options: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.namespace(name), *argv], cwd=REPOSITORY, stdin=subprocess.DEVNULL, **options
        )
        self._processes.append(process)
        return process

    def fast_path(
        self, name: str, plan: FastPathPlan, directory: Path, keys: dict[str, bytes] | None = None
    ) -> FastPathProcess:
        return FastPathProcess(self, name, plan, directory, keys)

    def end(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        self._processes.remove(process)

    def close(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait(10)
        for name in ("a", "b", "mid"):
            run("ip", "netns", "delete", self.namespace(name), check=False)


class FastPathProcess:
    """A fast path in a namespace, and an eye on its snapshots."""

    def __init__(
        self, world: World, name: str, plan: FastPathPlan, directory: Path, keys: dict[str, bytes] | None = None
    ) -> None:
        self.world, self.name, self.plan = world, name, plan
        self.run = directory / name
        self.run.mkdir(parents=True, exist_ok=True)
        write_json(self.run / FILE, Keys(keys or {}).to_json())
        plan.save(self.run / "fastpath-plan.json")
        self.start()

    def start(self) -> None:
        with (self.run / "stderr").open("ab") as stderr:
            self.process = self.world.spawn(
                self.name,
                sys.executable,
                "-m",
                "failover.fastpath",
                str(self.run / "fastpath-plan.json"),
                str(self.run),
                stderr=stderr,
            )

    def snapshot(self) -> dict[str, Any]:
        """Return the present state, once the fast path is there."""
        deadline = time.monotonic() + 10
        while True:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
                client.settimeout(5)
                try:
                    client.connect(str(self.run / "fastpath.sock"))
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.02)
                    continue
                while data := client.recv(1 << 20):
                    report = json.loads(data)
                    if report["kind"] == "snapshot":
                        body: dict[str, Any] = report["body"]
                        return body

    def order(
        self, token: int, command: str, to: str | None = None, *, dry_run: bool = False, group: str = "pg"
    ) -> dict[str, Any]:
        """Give an operator's order and return the answer."""
        order = {"id": f"c{token}", "group": group, "command": command, "to": to, "token": token, "by": "li"}
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.settimeout(5)
            client.connect(str(self.run / "fastpath.sock"))
            client.send(json.dumps({"command": {**order, "dry_run": dry_run}}).encode())
            while data := client.recv(1 << 20):
                report = json.loads(data)
                if report["kind"] == "command" and report["body"]["id"] == order["id"]:
                    body: dict[str, Any] = report["body"]
                    return body
        raise ConnectionError("the fast path hung up")

    def group(self, name: str = "pg") -> dict[str, Any]:
        found: dict[str, Any] = next(group for group in self.snapshot()["groups"] if group["group"] == name)
        return found

    def path(self, link: str) -> dict[str, Any]:
        found: dict[str, Any] = next(path for path in self.snapshot()["paths"] if path["link"] == link)
        return found

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(10)


@dataclass(frozen=True)
class Outage:
    """What one direction lost, in probes of 1 ms."""

    sent: int
    lost: int
    longest_ms: int
    duplicated: int


class Probes:
    """1 kHz UDP both ways between the sites' home addresses; `stop` tells what was lost, by direction."""

    def __init__(self, world: World, directory: Path, a_address: str, b_address: str) -> None:
        self._results = {site: directory / f"probe-{site}.json" for site in "ab"}
        probe = str(Path(__file__).with_name("failover_probe.py"))
        ends = (("a", a_address, b_address), ("b", b_address, a_address))
        self._processes = [
            world.spawn(site, sys.executable, probe, mine, theirs, str(self._results[site]), stdout=subprocess.PIPE)
            for site, mine, theirs in ends
        ]
        for process in self._processes:  # what was sent before both had opened their sockets does not count
            assert process.stdout is not None
            process.stdout.readline()
        self._from = time.monotonic_ns() // 1_000_000 + 2

    def stop(self) -> dict[str, Outage]:
        until_ms = time.monotonic_ns() // 1_000_000
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            process.communicate(timeout=10)
        results = {site: json.loads(path.read_text()) for site, path in self._results.items()}
        return {
            f"{near}->{far}": _outage(results[near]["sent"], results[far]["received"], self._from, until_ms)
            for near, far in (("a", "b"), ("b", "a"))
        }


def _outage(sent: list[int], received: list[int], from_ms: int, until_ms: int) -> Outage:
    wanted = [number for number in sent if from_ms <= number < until_ms]
    got = set(received)
    longest = current = 0
    for number in wanted:
        current = 0 if number in got else current + 1
        longest = max(longest, current)
    return Outage(len(wanted), sum(number not in got for number in wanted), longest, len(received) - len(got))


def until(what: str, condition: Callable[[], bool], timeout_s: float = 15.0) -> float:
    """Wait for a condition; return how long it took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > timeout_s:
            raise TimeoutError(f"not within {timeout_s} s: {what}")
        time.sleep(0.02)
    return time.monotonic() - began


def plan_of(
    site: str,
    local: dict[str, tuple[str, str, str, int, int]],
    prefixes: tuple[str, ...],
    sources: tuple[str, ...],
    wtr_ms: int = 500,
    quality: QualityPlan | None = None,
) -> FastPathPlan:
    """Return a plan of one group; `local`: link -> (interface, local, remote, interval us, multiplier)."""
    sessions = tuple(
        SessionPlan(link, interface, mine, theirs, number, interval_us, multiplier, quality)
        for number, (link, (interface, mine, theirs, interval_us, multiplier)) in enumerate(local.items(), start=1)
    )
    working, protection = local
    group = GroupPlan("pg", 1000, working, protection, prefixes, revertive=True, wtr_ms=wtr_ms, hold_off_ms=0)
    return FastPathPlan(site, sources, sessions, (group,))


@contextlib.contextmanager
def two_sites(tag: str = "", *, ipv6: bool = False) -> Iterator[World]:
    """Two sites with a home address each, a fibre and a satellite path between them."""
    world = World(tag)
    try:
        if ipv6:
            world.link("fibre", "fibre", "fd00:64::1/64", "fd00:64::2/64")
            world.link("sat", "sat", "fd00:66::1/64", "fd00:66::2/64")
            world.ip("a", "address", "add", "fd00:a::1/128", "dev", "lo")
            world.ip("b", "address", "add", "fd00:b::1/128", "dev", "lo")
        else:
            world.link("fibre", "fibre", "10.64.0.1/30", "10.64.0.2/30")
            world.link("sat", "sat", "10.66.0.1/24", "10.66.0.2/24")
            world.ip("a", "address", "add", "10.1.0.1/24", "dev", "lo")
            world.ip("b", "address", "add", "10.2.0.1/24", "dev", "lo")
        yield world
    finally:
        world.close()
