"""Our end of the interoperability tests: the fast path's process, and everything it reported."""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from failover_world import World, until

from failover.keys import FILE, Keys
from failover.plan import FastPathPlan
from lifeline.runtime.files import write_json


class Ours:
    """A fast path in namespace `a`. `reports` holds its reports of BFD sessions, the oldest first, by link."""

    def __init__(self, world: World, plan: FastPathPlan, directory: Path, secrets: dict[str, bytes]) -> None:
        self.world, self.plan = world, plan
        self.run = directory / "ours"
        self.run.mkdir()
        self.reports: dict[str, list[dict[str, Any]]] = {session.link: [] for session in plan.sessions}
        self.paths: dict[str, dict[str, Any]] = {}
        self.stats: dict[str, Any] = {}
        self._secrets = secrets
        self.write(plan)
        self.start()

    def write(self, plan: FastPathPlan) -> None:
        """Put a plan and the keys where the fast path reads them."""
        plan.save(self.run / "fastpath-plan.json")
        write_json(self.run / FILE, Keys(self._secrets).to_json())
        self.plan = plan

    def start(self) -> None:
        (self.run / "door.sock").unlink(missing_ok=True)
        program = str(Path(__file__).with_name("interop_fastpath.py"))
        with (self.run / "stderr").open("ab") as stderr:
            argv = [sys.executable, program, str(self.run / "fastpath-plan.json"), str(self.run)]
            self.process = self.world.spawn("a", *argv, stderr=stderr)
        until("our fast path listens", (self.run / "door.sock").exists)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.connect(str(self.run / "fastpath.sock"))
        self._reader = threading.Thread(target=self._read, args=[self._socket])
        self._reader.start()

    def _read(self, stream: socket.socket) -> None:
        with stream:
            while data := _receive(stream):
                report = json.loads(data)
                if report["kind"] == "snapshot":
                    self.paths = {path["link"]: path for path in report["body"]["paths"]}
                    self.stats = report["body"]["stats"]
                elif report["kind"] == "bfd":
                    self.reports[report["subject"].removeprefix("link:")].append(report["body"])

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(10)
        self._reader.join(10)

    def tell(self, link: str, do: str, **timers: int) -> None:
        """Go through the door of `interop_fastpath`."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.sendto(json.dumps({"link": link, "do": do, **timers}).encode(), str(self.run / "door.sock"))

    def rekey(self) -> None:
        """Say that there are new keys, as the agent does."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.settimeout(5)
            client.connect(str(self.run / "fastpath.sock"))
            client.send(json.dumps({"rekey": True}).encode())
            while data := client.recv(1 << 20):
                report = json.loads(data)
                if report["kind"] == "rekey":
                    if error := report["body"]["error"]:
                        raise ValueError(error)
                    return

    def now(self, link: str) -> dict[str, Any]:
        """Return the present body of a path, not the last tick's."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.settimeout(5)
            client.connect(str(self.run / "fastpath.sock"))
            while data := client.recv(1 << 20):
                report = json.loads(data)
                if report["kind"] == "snapshot":
                    self.paths = {path["link"]: path for path in report["body"]["paths"]}
                    return self.paths[link]
        raise ConnectionError("the fast path hung up")


def _receive(stream: socket.socket) -> bytes:
    try:
        return stream.recv(1 << 20)
    except ConnectionError:
        return b""
