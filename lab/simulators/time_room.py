"""A clock room in real time: receivers on ptys, their pulses as timestamps, an NTP server; what is wrong can be chosen.

A pty carries no microseconds, and this machine has no pulse input: the pulses are told as timestamps in the form of
chrony's SOCK driver, with the noise of a receiver (about 100 ns), to whoever listens at the given sockets. The host's
clock plays the oscillator; a simulated one may be put on top, so that true time is the host's plus what it says.

    python -m lab.simulators.time_room ROOM.json
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import random
import socket
import sys
import termios
import tty
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from struct import pack, unpack
from typing import Any, Final, Self

from lifeline.clock import monotonic_s, wall_ns
from lifeline.model.timing import OSCILLATORS

from .control import carry_out, controlled
from .time_ntp import NTP, NTP_FAULTS, NtpServer
from .time_sky import FAULTS, Fault, Receiver, TrueOscillator
from .time_voice import nmea, ubx

VOICES: Final[Mapping[str, Callable[[Receiver, float, float], bytes]]] = {"nmea": nmea, "ubx": ubx}
_MAGIC: Final = 0x534F434B
_NO_LEAP: Final = 0
_PHASE_S: Final = 0.02
"""After the whole second: receivers speak once their pulse has been."""


@dataclass(slots=True)
class Line:
    """A pty that stands for a receiver's serial line, under a name of its own."""

    path: Path
    _master: int = field(init=False, default=-1)
    _slave: int = field(init=False, default=-1)

    def __enter__(self) -> Self:
        """Make it."""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        os.fchmod(self._slave, 0o666)  # gpsd reads as a user of its own
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self._slave))
        return self

    def __exit__(self, *_exc: object) -> None:
        """Take it away."""
        self.path.unlink(missing_ok=True)
        os.close(self._master)
        os.close(self._slave)

    def say(self, words: bytes) -> None:
        """Write; what nobody has read of the second before is lost, as on a real line."""
        (unread,) = unpack("i", fcntl.ioctl(self._slave, termios.FIONREAD, b"\0\0\0\0"))
        if unread:
            termios.tcflush(self._slave, termios.TCIFLUSH)
        with contextlib.suppress(BlockingIOError):
            os.write(self._master, words)


@dataclass(slots=True)
class Station:
    """A receiver with its line and those who are told its pulses."""

    receiver: Receiver
    voice: str
    line: Line | None
    pulses: tuple[str, ...]
    told: int = 0
    """Pulses that somebody took."""


class Room:
    """The room between its start and its end.

    Attributes:
        stations: its receivers by name.
        ntp: its NTP server.
        servers: that one, and the devices that serve NTP too, by name.
    """

    def __init__(
        self, stations: Mapping[str, Station], oscillator: TrueOscillator | None = None, devices: Iterable[str] = ()
    ) -> None:
        """Begin with these receivers.

        Args:
            stations: by name.
            oscillator: what true time does against the host's clock; None: they are the same.
            devices: names of devices that tell their time by NTP.
        """
        self.stations = dict(stations)
        self._oscillator = oscillator
        self._began_s = monotonic_s()
        self._at_s = 0.0
        self._x_ns = 0.0
        self.servers = {it: NtpServer(lambda: wall_ns() / 1e9 + self.truth_ns() / 1e9) for it in (NTP, *devices)}
        self.ntp = self.servers[NTP]
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._lines = contextlib.ExitStack()

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """Return the room of a configuration.

        Args:
            config: `receivers` (by name: constellation, and optionally line, voice, pulses, noise_ns, bias_ns), where
                they stand (`lat_deg`, `lon_deg`, `height_m`), and optionally `oscillator` (a class of oscillators),
                `seed` and `devices` (address and port by name: what takes its time here and tells it by NTP).
        """
        rng = random.Random(config.get("seed"))
        place = (config.get("lat_deg", 0.0), config.get("lon_deg", 0.0), config.get("height_m", 0.0))
        stations = {
            name: Station(
                Receiver(it["constellation"], *place, random.Random(rng.random()), it.get("noise_ns", 30.0),
                         bias_ns=it.get("bias_ns", 0.0)),
                it.get("voice", "nmea"), Line(Path(it["line"])) if "line" in it else None, tuple(it.get("pulses", ())),
            )
            for name, it in config["receivers"].items()
        }  # fmt: skip
        figures = OSCILLATORS[config["oscillator"]] if config.get("oscillator") else None
        oscillator = None if figures is None else TrueOscillator(
            random.Random(rng.random()), rng.uniform(-0.05, 0.05) * figures.most_ppb, figures.random_walk_ppb / 2,
            figures.white_ns / 2, figures.ageing_ppb_per_day / 2,
        )  # fmt: skip
        return cls(stations, oscillator, config.get("devices", {}))

    def __enter__(self) -> Self:
        """Make the receivers' lines."""
        for station in self.stations.values():
            if station.line is not None:
                self._lines.enter_context(station.line)
        return self

    def __exit__(self, *_exc: object) -> None:
        """Take the lines away, and close the socket that pulses are told by."""
        self._lines.close()
        self._socket.close()

    @property
    def now_s(self) -> float:
        """The room's time."""
        return monotonic_s() - self._began_s

    def truth_ns(self) -> float:
        """Return true time less the host's clock, ns, as it was at the last second and has moved on since."""
        if self._oscillator is None:
            return 0.0
        return self._x_ns + (self.now_s - self._at_s) * self._oscillator.y_ppb

    def fault(self, name: str, kind: str, size: float = 0.0) -> None:
        """Let a receiver, or the NTP server, be wrong from now on.

        Raises:
            ValueError: there is no such receiver or fault.
        """
        if name in self.servers:
            if kind not in NTP_FAULTS:
                raise ValueError(f"an NTP server's faults are {', '.join(NTP_FAULTS)}")
            self.servers[name].break_(kind, size)
            return
        if name not in self.stations or kind not in FAULTS:
            raise ValueError(f"receivers: {', '.join(self.stations) or 'none'}; their faults: {', '.join(FAULTS)}")
        self.stations[name].receiver.fault = Fault(kind, self.now_s, size)

    def heal(self, name: str) -> None:
        """Let it be right again."""
        if name in self.servers:
            self.servers[name].fault = None
        elif name in self.stations:
            self.stations[name].receiver.fault = None

    async def run(self) -> None:
        """Speak each second until cancelled."""
        while True:
            part = wall_ns() / 1e9 % 1
            await asyncio.sleep((_PHASE_S - part) % 1 or 1)
            self.speak()
            await asyncio.sleep(0.1)  # never twice in a second

    def speak(self) -> None:
        """Let every receiver tell its pulse and its second."""
        now_s, unix_ns = self.now_s, wall_ns()
        if self._oscillator is not None:
            self._x_ns, self._at_s = self._oscillator.ahead(now_s), now_s
        for station in self.stations.values():
            receiver = station.receiver
            if (error_ns := receiver.pulse_ns(now_s)) is not None:
                self._tell(station, unix_ns, self._x_ns + error_ns)
            if station.line is not None and receiver.speaks(now_s):
                station.line.say(VOICES[station.voice](receiver, now_s, unix_ns / 1e9))

    def _tell(self, station: Station, unix_ns: int, offset_ns: float) -> None:
        seconds, ns = divmod(unix_ns, 1_000_000_000)
        # chrony's refclock_sock.c: the timestamp's own resolution is a microsecond; the offset is to it, not to ns.
        rounded_ns = ns // 1000 * 1000
        sample = pack("@qqdiiii", seconds, rounded_ns // 1000, offset_ns / 1e9, 0, _NO_LEAP, 0, _MAGIC)
        for path in station.pulses:
            # Whoever is not there, or does not keep up, misses a pulse.
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError, BlockingIOError):
                self._socket.sendto(sample, path)
                station.told += 1

    def look(self) -> dict[str, Any]:
        """Return what there is and what is wrong with it."""
        return {
            "at_s": self.now_s,
            "truth_ns": self.truth_ns(),
            "receivers": {
                name: {"constellation": it.receiver.constellation, "told": it.told,
                       "fault": it.receiver.fault and it.receiver.fault.kind}
                for name, it in self.stations.items()
            },
            "ntp": self.ntp.fault and self.ntp.fault.kind,
        }  # fmt: skip

    # ---------------------------------------------------------------- from outside

    async def asked(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out a request."""
        return carry_out(self, wanted)


async def live(config: Mapping[str, Any]) -> None:
    """Be a clock room until cancelled.

    Args:
        config: as `Room.of` takes it, with `control` (a Unix socket) and optionally `ntp` (address and port).
    """
    with Room.of(config) as room:
        loop, transports = asyncio.get_running_loop(), []
        served = dict(config.get("devices", {})) | ({NTP: config["ntp"]} if "ntp" in config else {})
        for name, place in served.items():
            server = room.servers[name]
            transports.append((await loop.create_datagram_endpoint(lambda it=server: it, tuple(place)))[0])  # type: ignore[misc] # mypy infers no type for a lambda's default
        try:
            async with controlled(room.asked, config["control"]):
                await room.run()
        finally:
            for transport in transports:
                transport.close()


def main(arguments: Sequence[str]) -> int:
    """Be a clock room until told to stop."""
    (path,) = arguments
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(live(json.loads(Path(path).read_text(encoding="utf-8"))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
