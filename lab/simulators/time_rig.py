"""A clock room of real programs in a network namespace of its own: receivers on ptys, gpsd, chronyd -x, lifeline time.

Beside it run plain chronyds with the same refclocks and no gate, the peers that everything is compared with. No clock
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
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Any, Final, NamedTuple, Self

from lifeline.clock import monotonic_s, wall_ns

from .time_leap import leap_file

NAMES = ("beidou", "gps")
DEVICES: Final = {"bts-1": "127.0.0.21", "bts-2": "127.0.0.22"}
"""Base stations of another site that tell their time by NTP."""
CLIENT_LIMIT_NS: Final = 20e6
OURS, ARBITER = "ours", "arbiter"
_LIFELINE = str(Path(sys.executable).with_name("lifeline"))
NOISE_NS = 70.0
"""Of a receiver's pulse, one sigma; with its bias about 100 ns."""
PLACE = {"lat_deg": 39.905, "lon_deg": 116.397, "height_m": 60.0}
REFCLOCK = "poll 2 filter 4 precision 1e-7 delay 4e-6"
"""Of both chronyds alike, as the guide has it. Polls of 16 s, the default, would let the peer off lightly in short
faults, and us too."""
_REFIDS = {"beidou": "BDS", "gps": "GPS", "hold": "HOLD"}


@dataclass(frozen=True, slots=True)
class Peer:
    """A plain chronyd as an operator may configure it, with the same receivers and no gate.

    Attributes:
        port: of its NTP service.
        options: by receiver, what its line says beside what all have.
        lines: what its configuration has beside its refclocks.
    """

    port: int
    options: Mapping[str, str]
    lines: tuple[str, ...] = ()


PEERS: Final[Mapping[str, Peer]] = {
    "two": Peer(2123, dict.fromkeys(NAMES, "")),
    "two, gps trusted": Peer(2124, {"beidou": "", "gps": "prefer trust"}),
    "gps alone": Peer(2125, {"gps": ""}),
    "two, local stratum": Peer(2126, dict.fromkeys(NAMES, ""), ("local stratum 10",)),
}
"""Of two alike that disagree chronyd 4.3 believes neither; operators who will not have that trust one, have but one, or
let it serve its own clock."""
_PORTS = {OURS: 1123, ARBITER: 3123}


class Clock(NamedTuple):
    """A chronyd's clock."""

    served: bool
    """Whether it says that it is synchronised: only then do its clients take it."""
    error_ns: float
    """By how much it differs from this machine's clock, which is the truth here; it goes on while it is not served,
    by the frequency that chronyd learnt last."""


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
        peers: Sequence[str] = (),
        more: int = 0,
    ) -> None:
        """Plan the room; nothing is started yet.

        Args:
            limit_ns: what the site's network bears.
            qualification_s: how long a source must be sound.
            oscillator: a class of oscillators, or figures.
            ntp: whether an NTP server is a source too.
            gpsd: whether receivers are heard through gpsd; else lifeline reads their lines itself.
            peers: names of the `PEERS` that run beside.
            more: how many receivers there are beside the two, each on a line that lifeline reads itself.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="lifeline-time-"))
        self.folder.chmod(0o750)
        self.netns = f"lltime-{os.getpid()}-{id(self) % 9973}"
        self.site = "core-wired"
        self._ntp, self._gpsd, self._peers = ntp, gpsd, tuple(peers)
        self._more = [f"gps-{n}" for n in range(2, more + 2)]
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
        (self.folder / "leap-seconds.list").write_text(leap_file(wall_ns() / 1e9))
        (self.folder / "room.json").write_text(json.dumps(self._room()))
        self.start("receivers", [sys.executable, "-m", "lab.simulators.time_room", str(self.folder / "room.json")])
        self._wait(self.folder / "room.sock")
        if self._gpsd:
            lines = [os.path.realpath(self.folder / f"{name}.tty") for name in NAMES]
            self.start("gpsd", ["gpsd", "-N", "-n", "-b", "-S", "2947", *lines])
        for name in (OURS, *self._peers, *([ARBITER] if self._ntp else [])):
            self.start_chronyd(name)
        self._wait(self.folder / OURS / "chronyd.sock")
        (self.folder / "inventory.yml").write_text(json.dumps(self._inventory()))
        self.start_daemon()

    def _room(self) -> dict[str, Any]:
        """Return what `time_room` makes: each pulse is told to lifeline and to the peer."""
        receivers = {
            name: {
                "constellation": name, "line": str(self.folder / f"{name}.tty"), "noise_ns": NOISE_NS, "bias_ns": bias,
                "pulses": [str(self.folder / f"{name}.pulses"),
                           *(str(self._socket(peer, name)) for peer in self._peers if name in PEERS[peer].options)],
            }
            for name, bias in zip(NAMES, (20.0, -20.0), strict=True)
        }  # fmt: skip
        receivers |= {
            name: {"constellation": "gps", "voice": "ubx", "line": str(self.folder / f"{name}.tty"),
                   "noise_ns": NOISE_NS, "pulses": [str(self.folder / f"{name}.pulses")]}
            for name in self._more
        }  # fmt: skip
        return {"receivers": receivers, "control": str(self.folder / "room.sock"), "seed": 1, **PLACE,
                "devices": {name: [address, 123] for name, address in DEVICES.items()}}  # fmt: skip

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
        sources |= {
            name: {"kind": "gps", "protocol": "serial", "line": str(self.folder / f"{name}.tty"),
                   "pulses": str(self.folder / f"{name}.pulses")}
            for name in self._more
        }  # fmt: skip
        sources["oscillator"] = {
            "kind": "holdover", "oscillator": self._oscillator, "chrony": str(self.folder / OURS / "hold.sock"),
        }  # fmt: skip
        if self._ntp:
            sources["ntp"] = {"kind": "ntp", "address": "127.0.0.1", "port": _PORTS[ARBITER], "poll_s": 2}
        timing = self._timing | {
            "leap_table": str(self.folder / "leap-seconds.list"),
            "antenna": PLACE,
            "clients": {f"field/{name}": CLIENT_LIMIT_NS for name in DEVICES},
            "chrony": {"command_socket": str(self.folder / OURS / "chronyd.sock")},
        }
        site = {"kind": "core-room-wired", "name": "Core", "time_sources": sources, "timing": timing}
        stations = {name: {"kind": "base-station", "address": address} for name, address in DEVICES.items()}
        field = {"kind": "super-base-station", "name": "Field", "devices": stations}
        return {"lifeline": 1, "sites": {self.site: site, "field": field}}

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
        folder = self._folder(name)
        folder.mkdir(mode=0o750, exist_ok=True)
        peer = PEERS.get(name)
        if name == ARBITER:
            own = ["local stratum 1"]
        elif peer is None:
            own = [f"refclock SOCK {folder / it}.sock refid {_REFIDS[it]} {REFCLOCK}" for it in (*NAMES, "hold")]
        else:
            own = [f"refclock SOCK {self._socket(name, it)} refid {_REFIDS[it]} {REFCLOCK} {options}"
                   for it, options in peer.options.items()]  # fmt: skip
            own += peer.lines
        port = peer.port if peer else _PORTS[name]
        lines = [*own, f"port {port}", "allow 127.0.0.0/8", "cmdport 0", "maxupdateskew 100",
                 f"bindcmdaddress {folder}/chronyd.sock", f"pidfile {folder}/chronyd.pid"]  # fmt: skip
        (folder / "chrony.conf").write_text("\n".join(lines) + "\n")
        self.start(name, ["chronyd", "-x", "-d", "-u", "root", "-f", str(folder / "chrony.conf")])

    def _folder(self, name: str) -> Path:
        """Return the folder of one of the chronyds."""
        return self.folder / (f"peer-{PEERS[name].port}" if name in PEERS else name)

    def _socket(self, peer: str, receiver: str) -> Path:
        """Return where a peer takes a receiver's pulses."""
        return self.folder / f"{receiver}.{PEERS[peer].port}"

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

    def clock(self, name: str) -> Clock | None:
        """Return what one of the chronyds says of its clock; None where it does not answer."""
        command = self._folder(name) / "chronyd.sock"
        told = subprocess.run(["chronyc", "-n", "-c", "-h", str(command), "tracking"], capture_output=True, text=True,
                              check=False, timeout=5).stdout.strip().split(",")  # fmt: skip
        return Clock(told[13] != "Not synchronised", float(told[4]) * 1e9) if len(told) >= 14 else None

    def correction_ns(self, name: str) -> float | None:
        """Return by how much a chronyd's served time is off, None while it serves none."""
        told = self.clock(name)
        return told.error_ns if told is not None and told.served else None

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
