"""Our own fast paths at both ends of a span: `lifeline fastpath run` as anybody runs it, and an ear on its reports.

Its second path is a satellite of 270 ms (`lab.relay`), so that what one end tells the other that way comes too late to
help; the peers' second path is a plain cable, by which they lose nothing.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from failover.io.fastpath_ipc import DATAGRAM_MAX
from lab.drivers.linux import network_namespace, offloads_off
from lab.probe_io import PRIORITY
from lifeline.clock import monotonic_s

from .peers.engine import Engine
from .peers.span import BACKUP_CORE, BACKUP_SITE, CORE, FIBRE_CORE, FIBRE_SITE, SITE, Span

SATELLITE_MS = 270
ENDS = ("site", "core")
_START_S = 20.0
_INVENTORY = f"""\
lifeline: 1
sites:
  core: {{kind: core-room-wired, name: Core room, prefixes: [{CORE}/32]}}
  site: {{kind: super-base-station, name: Station, prefixes: [{SITE}/32], agent: true}}
  sathub: {{kind: satellite-hub, name: Satellite hub}}
links:
  fibre:
    media: fibre
    a: {{site: site, interface: fibre, address: {FIBRE_SITE}/30}}
    b: {{site: core, interface: fibre, address: {FIBRE_CORE}/30}}
    bfd: {{interval_ms: INTERVAL, detect_mult: 3}}
  backup:
    media: satellite
    a: {{site: site, interface: backup, address: {BACKUP_SITE}/30}}
    b: {{site: core, interface: backup, address: {BACKUP_CORE}/30}}
    via: [sathub]
    bfd: {{interval_ms: 100, detect_mult: 3}}
protection_groups:
  pair:
    working: fibre
    protection: backup
    prefixes: {{site: [{CORE}/32], core: [{SITE}/32]}}
    wtr_ms: 300 # longer than the satellite, so that both ends agree first; 5 minutes or more in service
"""


@dataclass(frozen=True, slots=True)
class Report:
    """What a fast path said: when (monotonic nanoseconds), of what kind, about what."""

    at_ns: int
    kind: str
    subject: str
    body: dict[str, Any]


class FastPathEar:
    """A connection to a fast path's reports, read when asked; what was not read waits in the socket."""

    def __init__(self, path: Path, log: Path) -> None:
        """Connect, as soon as there is something to connect to.

        Args:
            path: its socket.
            log: what the fast path says, for the error.

        Raises:
            OSError: there is nothing within 20 s.
        """
        deadline = monotonic_s() + _START_S
        while True:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                self._socket.connect(str(path))
                break
            except OSError as error:
                self._socket.close()
                if monotonic_s() > deadline:
                    raise OSError(f"no fast path at {path}: {log.read_text(errors='replace')[-400:]}") from error
                time.sleep(0.02)
        self._socket.setblocking(False)
        self._newest: dict[str, Any] | None = None

    def hear(self) -> list[Report]:
        """Return the reports since the last call, and acknowledge them.

        Raises:
            ConnectionError: the fast path hung up.
        """
        reports = []
        with suppress(BlockingIOError):
            while data := self._socket.recv(DATAGRAM_MAX):
                said = json.loads(data)
                if said["kind"] == "snapshot":
                    self._newest = said["body"]
                    continue
                reports.append(Report(said["at_monotonic_ns"], said["kind"], said["subject"], said["body"]))
                self._socket.send(json.dumps({"ack": said["seq"], "instance": said["instance"]}).encode())
            raise ConnectionResetError("the fast path hung up")
        return reports

    def snapshot(self) -> dict[str, Any]:
        """Return the newest snapshot that `hear` has come across; the fast path makes one a second.

        Raises:
            TimeoutError: none came within 20 s.
        """
        deadline = monotonic_s() + _START_S
        while self._newest is None:
            self.hear()
            if monotonic_s() > deadline:
                raise TimeoutError("the fast path sends no snapshot")
            time.sleep(0.02)
        return self._newest

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def fast_path_argv(inventory: Path, site: str, run: Path) -> list[str]:
    """Return the command that runs a site's fast path."""
    lifeline = [sys.executable, "-m", "noc.cli.main", "fastpath", "run"]
    return [*lifeline, "--inventory", str(inventory), "--site", site, "--run", str(run), "--data", str(run)]


class LifelinePair(Engine):
    """Our fast path at both ends, at any interval."""

    title = "lifeline"

    def __init__(self, span: Span, interval_ms: int = 10) -> None:
        if not span.split_backup:
            raise ValueError("the satellite wants a span whose second path is split")
        super().__init__(span)
        self.interval_ms = interval_ms
        self._ears: dict[str, FastPathEar] = {}
        self._downs: list[tuple[str, Report]] = []

    @classmethod
    def version(cls) -> str | None:
        """Return our own version."""
        return f"lifeline {metadata.version('lifeline')}"

    def _start(self) -> None:
        self._start_satellite()
        inventory = self.folder / "inventory.yml"
        inventory.write_text(_INVENTORY.replace("INTERVAL", str(self.interval_ms)))
        for node in ENDS:
            self.spawn(node, fast_path_argv(inventory, node, self.folder / node), f"{node}.log")
        self._ears = {
            node: FastPathEar(self.folder / node / "fastpath.sock", self.folder / f"{node}.log") for node in ENDS
        }

    def _start_satellite(self) -> None:
        for node in ENDS:
            with network_namespace(f"/run/netns/{self.span.netns[node]}"):
                offloads_off("backup")
        path = {"id": "backup", "hub": "up-core", "site": "up-site", "impairment": {"delay_ms": SATELLITE_MS}}
        config = self.folder / "relay.json"
        config.write_text(json.dumps({"socket": str(self.folder / "relay.sock"), "seed": 1, "links": [path]}))
        # It goes into the background by itself: the shell stays, and takes it along when it ends.
        # At the probes' priority: a satellite does not slow down because our processor is busy.
        relay = f"chrt --fifo {PRIORITY} {sys.executable} -m lab.relay {config}"
        self.spawn_all("mid", f"{relay} && exec sleep infinity", "relay.log")

    def _hang_up(self) -> None:
        for ear in self._ears.values():
            ear.close()

    def hear(self) -> dict[str, list[Report]]:
        """Return by end what the fast paths said since the last call."""
        heard = {node: ear.hear() for node, ear in self._ears.items()}
        self._downs += [(node, report) for node, reports in heard.items() for report in reports if is_down(report)]
        return heard

    def flaps(self) -> int:
        """Return how often the fibre's session went down so far, at both ends together."""
        return len(self.downs())

    def downs(self) -> list[tuple[str, Report]]:
        """Return the end and its report for each time that the fibre's session went down so far."""
        self.hear()
        return self._downs

    def switches(self) -> int:
        """Return how often traffic was sent another way so far, at both ends together; a second old at most."""
        self.hear()
        return sum(ear.snapshot()["groups"][0]["switch_count"] for ear in self._ears.values())

    def settle(self) -> None:
        """Wait until both ends send by the fibre, and know that both paths are healthy."""
        super().settle()
        deadline = monotonic_s() + _START_S
        while not all(_healthy(ear.snapshot()["paths"]) for ear in self._ears.values()):
            if monotonic_s() > deadline:
                raise TimeoutError(f"not both paths are up within {_START_S:.0f} s: {self.last_words()}")
            self.hear()
            time.sleep(0.05)

    def lateness_ms(self) -> float:
        """Return how late the later of both fast paths woke up at most, in its life."""
        return max(float(ear.snapshot()["stats"]["lateness_worst_ms"]) for ear in self._ears.values())


def is_down(report: Report) -> bool:
    """Tell whether a report says that the fibre's session went down: its end declares the failure."""
    body = report.body
    return (
        report.kind == "bfd" and report.subject == "link:fibre" and body["state"] == "Down" and body["previous"] == "Up"
    )


def _healthy(paths: Sequence[dict[str, Any]]) -> bool:
    return all(path["bfd"] == "Up" for path in paths)
