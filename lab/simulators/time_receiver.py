"""Receivers on ptys, in real time: NMEA for gpsd, and their pulses as timestamps where a GPIO pin would give them.

    python -m lab.simulators.time_receiver DIR beidou gps

makes DIR/<name>.tty (the pty's end for gpsd) and sends each pulse to DIR/<name>.pulses, a socket in the form of
chrony's SOCK driver, for a pty carries no microseconds. A fault is a file DIR/<name>.fault: {"kind": "step", "size":
1000}; it begins when the file appears and ends when it goes. What the receivers take for truth is this machine's clock.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import time
import tty
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from timesync.io.chrony import SockSample
from timesync.io.stream import checksum

from .time_sky import Fault, Receiver, SkySatellite

LAT, LON, HEIGHT, GEOID = 39.905, 116.397, 60.0, -9.0
TALKER = {"beidou": "GB", "gps": "GP"}
SYSTEM = {"beidou": 4, "gps": 1}
_WEEK_S = 604_800
AFTER_S = 0.05
"""How long after its second a pulse is told of."""


class Emitter:
    """One receiver and its pty."""

    def __init__(self, folder: Path, name: str, seed: int) -> None:
        """Open the pty and link its far end."""
        self.name, self._folder = name, folder
        self.receiver = Receiver(
            name, LAT, LON, HEIGHT, random.Random(seed), noise_ns=70.0, bias_ns=20.0 * (seed % 3 - 1)
        )
        self._near, self._far = os.openpty()
        tty.setraw(self._far)
        os.set_blocking(self._near, False)
        link = folder / f"{name}.tty"
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(self._far))
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._pulses = [folder / f"{name}.pulses", folder / f"{name}.peer"]
        self._told = ""

    def second(self, second: int) -> None:
        """Give what belongs to a second: its pulse, then its sentences."""
        self._look_for_fault(second)
        now = float(second)
        if (error_ns := self.receiver.pulse_ns(now)) is not None:
            # "Second N" rings when true time is N less the receiver's error; of whole seconds only the label is wrong.
            early_ns = (error_ns + 5e8) % 1e9 - 5e8
            micro, rest = divmod(round(second * 1_000_000_000 - early_ns), 1000)
            sample = SockSample(micro * 1000, (error_ns + rest) / 1e9)
            for path in self._pulses:
                with suppress(OSError):
                    self._socket.sendto(sample.pack(), str(path))
        if self.receiver.speaks(now):
            with suppress(BlockingIOError):
                os.write(self._near, nmea(self.receiver, now))

    def _look_for_fault(self, second: int) -> None:
        path = self._folder / f"{self.name}.fault"
        told = path.read_text(encoding="utf-8") if path.exists() else ""
        if told == self._told:
            return
        self._told = told
        wanted = json.loads(told) if told else None
        self.receiver.fault = Fault(wanted["kind"], float(second), float(wanted.get("size", 0))) if wanted else None


def nmea(receiver: Receiver, now: float) -> bytes:
    """Return a second's sentences: RMC, GGA, GSA, GSV."""
    shown = now
    fault = receiver.fault
    if fault is not None and fault.kind == "week":
        shown += fault.size * _WEEK_S
    if fault is not None and fault.kind == "leap":
        shown += fault.size
    if fault is not None and fault.kind == "frozen":
        shown = fault.since_s
    at = datetime.fromtimestamp(shown, UTC)
    satellites = receiver.satellites(now)
    used = [it.number for it in satellites if it.used][:12]
    lat, lon, height = receiver.position(now)
    clock, day = at.strftime("%H%M%S.00"), at.strftime("%d%m%y")
    place = f"{_angle(abs(lat), 2)},{'N' if lat >= 0 else 'S'},{_angle(abs(lon), 3)},{'E' if lon >= 0 else 'W'}"
    talker, fixed = TALKER[receiver.constellation], len(used) >= 4
    place, sound, mode = (place, "A", "A") if fixed else (",,,", "V", "N")
    told = [f"{talker}RMC,{clock},{sound},{place},0.0,0.0,{day},,,{mode}"]
    above = f"{height - GEOID:.1f},M,{GEOID:.1f},M,,"
    told.append(f"{talker}GGA,{clock},{place},{int(fixed)},{len(used):02},0.9,{above}")
    numbers = ",".join([f"{it:02}" for it in used] + [""] * (12 - len(used)))
    told.append(f"{talker}GSA,A,{3 if fixed else 1},{numbers},1.8,0.9,1.5,{SYSTEM[receiver.constellation]}")
    told += _gsv(talker, satellites)
    return b"".join(b"$" + it.encode() + b"*" + checksum(it.encode()) + b"\r\n" for it in told)


def _gsv(talker: str, satellites: list[SkySatellite]) -> list[str]:
    parts = [satellites[i : i + 4] for i in range(0, len(satellites), 4)]
    return [
        f"{talker}GSV,{len(parts)},{n},{len(satellites):02},"
        + ",".join(f"{it.number:02},{max(it.elevation_deg, 0):02.0f},{it.azimuth_deg:03.0f},"
                   f"{f'{it.cn0_db_hz:02.0f}' if it.cn0_db_hz else ''}" for it in part)
        + ",1"
        for n, part in enumerate(parts, 1)
    ]  # fmt: skip


def _angle(degrees: float, width: int) -> str:
    whole = int(degrees)
    return f"{whole:0{width}}{(degrees - whole) * 60:09.6f}"


def main() -> None:
    """Emit until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+", choices=sorted(TALKER))
    wanted = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(SystemExit(0)))
    emitters = [Emitter(wanted.folder, name, seed) for seed, name in enumerate(wanted.names)]
    (wanted.folder / "ready").write_text("ready")
    second = int(time.time()) + 1  # noqa: TID251 - the truth of this simulation is this machine's clock
    while True:
        time.sleep(max(0.0, second + AFTER_S - time.time()))  # noqa: TID251 - as above
        for emitter in emitters:
            emitter.second(second)
        second += 1


if __name__ == "__main__":
    main()
