"""A clock room of real programs in a network namespace of its own: receivers on ptys, gpsd, chronyd -x, lifeline time.

Beside it runs a plain chronyd with the same refclocks and no gate, the peer that everything is compared with. No clock
of the machine is touched: chronyd -x keeps its corrections to itself, and serves them.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import sleep
from typing import Any, Self

from lifeline.clock import monotonic_s

NAMES = ("beidou", "gps")
OURS, PEER, ARBITER = "ours", "peer", "arbiter"
NTP_PORTS = {OURS: 1123, PEER: 2123, ARBITER: 3123}
_LIFELINE = str(Path(sys.executable).with_name("lifeline"))
NOISE_NS = 70.0
"""Of a receiver's pulse, one sigma; with its bias about 100 ns."""
PLACE = {"lat_deg": 39.905, "lon_deg": 116.397, "height_m": 60.0}
REFCLOCK = "poll 2 filter 4 precision 1e-7 delay 4e-6"
"""Of both chronyds alike, as the guide has it. Polls of 16 s, the default, would let the peer off lightly in short
faults, and us too."""
_REFIDS = {"beidou": "BDS", "gps": "GPS", "hold": "HOLD"}


class RigError(Exception):
    """A part of the rig does not come up; the text says which."""


class Rig:
    """One clock room. Use it as a context; whatever happens, nothing of it stays."""

    def __init__(
        self,
        *,
        limit_ns: float = 1e6,
        qualification_s: float = 20,
        oscillator: str | Mapping[str, Any] = "computer",
        ntp: bool = False,
        gpsd: bool = True,
    ) -> None:
        """Plan the room; nothing is started yet."""
        self.folder = Path(tempfile.mkdtemp(prefix="lifeline-time-"))
        self.folder.chmod(0o750)
        self.netns = f"lltime-{os.getpid()}-{id(self) % 9973}"
        self.site = "core-wired"
        self._ntp, self._gpsd = ntp, gpsd
        self._oscillator = oscillator
        self._timing = {"limit_ns": limit_ns, "qualification_s": qualification_s}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        """Start everything and wait until it stands."""
        try:
            self._begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _begin(self) -> None:
        for argv in (["ip", "netns", "add", self.netns], ["ip", "-n", self.netns, "link", "set", "lo", "up"]):
            subprocess.run(argv, check=True, capture_output=True)
        (self.folder / "room.json").write_text(json.dumps(self._room()))
        self.start("receivers", [sys.executable, "-m", "lab.simulators.time_room", str(self.folder / "room.json")])
        self._wait(self.folder / "room.sock")
        if self._gpsd:
            lines = [os.path.realpath(self.folder / f"{name}.tty") for name in NAMES]
            self.start("gpsd", ["gpsd", "-N", "-n", "-b", "-S", "2947", *lines])
        chronies = [OURS, PEER, *([ARBITER] if self._ntp else [])]
        for name in chronies:
            self.start_chronyd(name)
        self._wait(self.folder / OURS / "chronyd.sock")
        (self.folder / "inventory.yml").write_text(json.dumps(self._inventory()))
        self.start_daemon()

    def _room(self) -> dict[str, Any]:
        """Return what `time_room` makes: each pulse is told to lifeline and to the peer."""
        receivers = {
            name: {
                "constellation": name, "line": str(self.folder / f"{name}.tty"), "noise_ns": NOISE_NS, "bias_ns": bias,
                "pulses": [str(self.folder / f"{name}.{it}") for it in ("pulses", "peer")],
            }
            for name, bias in zip(NAMES, (20.0, -20.0), strict=True)
        }  # fmt: skip
        return {"receivers": receivers, "control": str(self.folder / "room.sock"), "seed": 1, **PLACE}

    def _inventory(self) -> dict[str, Any]:
        """Return the inventory, as JSON, which is YAML too."""
        sources: dict[str, Any] = {
            name: {
                "kind": name, "pulses": str(self.folder / f"{name}.pulses"),
                "chrony": str(self.folder / OURS / f"{name}.sock"),
                **({"line": os.path.realpath(self.folder / f"{name}.tty")} if self._gpsd
                   else {"protocol": "serial", "line": str(self.folder / f"{name}.tty")}),
            }
            for name in NAMES
        }  # fmt: skip
        sources["oscillator"] = {
            "kind": "holdover", "oscillator": self._oscillator, "chrony": str(self.folder / OURS / "hold.sock"),
        }  # fmt: skip
        if self._ntp:
            sources["ntp"] = {"kind": "ntp", "address": "127.0.0.1", "port": NTP_PORTS[ARBITER], "poll_s": 2}
        timing = self._timing | {
            "antenna": PLACE,
            "chrony": {"command_socket": str(self.folder / OURS / "chronyd.sock")},
        }
        site = {"kind": "core-room-wired", "name": "Core", "time_sources": sources, "timing": timing}
        return {"lifeline": 1, "sites": {self.site: site}}

    # ---------------------------------------------------------------- programs

    def start(self, name: str, argv: Sequence[str], *, here: bool = False) -> None:
        """Start a program in the room; its words go to `<name>.log`."""
        with (self.folder / f"{name}.log").open("ab") as out:
            wrapped = list(argv) if here else ["ip", "netns", "exec", self.netns, *argv]
            self._running[name] = subprocess.Popen(wrapped, stdout=out, stderr=out, stdin=subprocess.DEVNULL)

    def start_daemon(self) -> None:
        """Start `lifeline time run`; the hub that it is told of does not exist."""
        self.start("lifeline", [
            _LIFELINE, "time", "run", "--inventory", str(self.folder / "inventory.yml"), "--site", self.site,
            "--data", str(self.folder), "--run", str(self.folder), "--hub", f"unix://{self.folder}/no-hub.sock",
            "--metrics", "off",
        ])  # fmt: skip

    def start_chronyd(self, name: str) -> None:
        """Start one of the chronyds."""
        folder = self.folder / name
        folder.mkdir(mode=0o750, exist_ok=True)
        if name == ARBITER:
            sources = ["local stratum 1"]
        else:
            which = [*NAMES, "hold"] if name == OURS else list(NAMES)
            place = {it: folder / f"{it}.sock" if name == OURS else self.folder / f"{it}.peer" for it in which}
            sources = [f"refclock SOCK {place[it]} refid {_REFIDS[it]} {REFCLOCK}" for it in which]
        lines = [*sources, f"port {NTP_PORTS[name]}", "allow 127.0.0.0/8", "cmdport 0", "maxupdateskew 100",
                 f"bindcmdaddress {folder}/chronyd.sock", f"pidfile {folder}/chronyd.pid"]  # fmt: skip
        (folder / "chrony.conf").write_text("\n".join(lines) + "\n")
        self.start(name, ["chronyd", "-x", "-d", "-u", "root", "-f", str(folder / "chrony.conf")])

    def kill(self, name: str) -> None:
        """Kill a program of the room."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def pid(self, name: str) -> int:
        """Return a program's process id."""
        return self._running[name].pid

    # ---------------------------------------------------------------- faults

    def inject(self, name: str, kind: str, size: float = 0.0) -> None:
        """Put a fault on a receiver; it begins with the next second."""
        self._tell({"act": "fault", "at": name, "kind": kind, "size": size})

    def heal(self, name: str) -> None:
        """Take a receiver's fault away."""
        self._tell({"act": "heal", "at": name})

    def _tell(self, wanted: Mapping[str, Any]) -> None:
        with socket.socket(socket.AF_UNIX) as room:
            room.settimeout(5)
            room.connect(str(self.folder / "room.sock"))
            room.sendall(json.dumps(wanted).encode() + b"\n")
            with room.makefile("rb") as told:
                answer = json.loads(told.readline())
        if not answer["ok"]:
            raise RigError(answer["error"])

    # ---------------------------------------------------------------- what can be seen

    def state(self) -> dict[str, Any] | None:
        """Return the daemon's live state, None before its first look."""
        try:
            return dict(json.loads((self.folder / f"time-{self.site}.json").read_text()))
        except (FileNotFoundError, ValueError):
            return None

    def until(self, holds: Any, within_s: float) -> float:
        """Wait until the daemon's state is as wanted; return how long it took, s.

        Raises:
            RigError: it did not come in time.
        """
        began_s = monotonic_s()
        while monotonic_s() - began_s < within_s:
            state = self.state()
            if state is not None and holds(state):
                return monotonic_s() - began_s
            self._alive()
            sleep(0.1)
        last = {k: v for k, v in (self.state() or {}).items() if k not in {"history", "sources"}}
        raise RigError(f"not within {within_s} s: {last}; see {self.folder}")

    def correction_ns(self, name: str) -> float | None:
        """Return by how much a chronyd's served time differs from this machine's clock, which is the truth here.

        None where it says that it is not synchronised: then it serves no time, and has no error.
        """
        command = self.folder / name / "chronyd.sock"
        told = subprocess.run(["chronyc", "-n", "-c", "-h", str(command), "tracking"], capture_output=True, text=True,
                              check=False, timeout=5).stdout.strip().split(",")  # fmt: skip
        if len(told) < 14 or told[13] == "Not synchronised":
            return None
        return float(told[4]) * 1e9

    def _alive(self) -> None:
        for name, process in self._running.items():
            if process.poll() is not None:
                words = (self.folder / f"{name}.log").read_text(errors="replace")[-800:]
                raise RigError(f"{name} has ended with {process.returncode}: {words}")

    def _wait(self, path: Path) -> None:
        began_s = monotonic_s()
        while not path.exists():
            self._alive()
            if monotonic_s() - began_s > 20:
                raise RigError(f"{path} does not come")
            sleep(0.05)

    def __exit__(self, *_exception: object) -> None:
        """End everything that was started, and remove the room."""
        for process in reversed(self._running.values()):
            process.terminate()
        for process in reversed(self._running.values()):
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        subprocess.run(["ip", "netns", "del", self.netns], check=False, capture_output=True)
        if not os.environ.get("LIFELINE_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)
