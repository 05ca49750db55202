"""gpsd's JSON (gpsd_json(5)): what it reports becomes telemetry; a client that outlives gpsd's restarts.

gpsd tells nothing of jamming, spoofing and leap seconds to come. Where a receiver speaks UBX its own messages are asked
for beside the JSON (`raw`: 1, each packet a line of hexadecimal digits), and read as from a line of our own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import structlog

from lifeline.clock import wall_ns

from ..core.source import Satellite, Telemetry
from .stream import StreamView

log = structlog.get_logger(__name__)

PORT: Final = 2947
LONGEST: Final = 64 * 1024
"""A SKY report of sixty satellites has 8 KiB."""
_SILENT_S: Final = 15.0
"""gpsd with a receiver reports each second; one that says nothing for so long is asked anew."""
_AGAIN_S: Final = 1.0
_WATCH: Final = {"enable": True, "json": True, "raw": 1}
_UBX: Final = b"b562"
_GNSS: Final = {0: "gps", 1: "sbas", 2: "galileo", 3: "beidou", 4: "imes", 5: "qzss", 6: "glonass", 7: "irnss"}
_RANGES: Final = (
    (1, 32, "gps"), (33, 64, "sbas"), (65, 96, "glonass"), (120, 158, "sbas"), (193, 202, "qzss"),
    (203, 264, "beidou"), (301, 336, "galileo"), (401, 463, "beidou"),
)  # fmt: skip
"""gpsd's PRN where a report has no gnssid; 201 and 202 have meant QZSS and BeiDou both, and are told by gnssid only."""


class GpsdView:
    """What gpsd has said of one receiver. Whatever it is fed, it raises nothing."""

    def __init__(self, device: str | None = None) -> None:
        """Listen to one of gpsd's devices, or to all that it has."""
        self._device = device
        self._fix: int | None = None
        self._position: tuple[float, float, float | None] | None = None
        self._satellites: tuple[Satellite, ...] | None = None
        self._used: int | None = None
        self._leap_s: int | None = None
        self._date_error_s: float | None = None
        self._raw = StreamView()

    def line(self, line: bytes, now_s: float, wall_s: float) -> Telemetry | None:
        """Take a line of gpsd's: a report, or a packet in hexadecimal digits; arguments as for `report`."""
        if line.startswith(b"{"):
            return self.report(parse(line), now_s, wall_s)
        if line.startswith(_UBX):
            with suppress(ValueError):
                self._raw.feed(bytes.fromhex(line.decode("ascii", "replace")), now_s, wall_s)
        return None

    def report(self, report: Mapping[str, Any], now_s: float, wall_s: float) -> Telemetry | None:
        """Take a report; return what is known now where it was about the receiver.

        Args:
            report: an object of gpsd's JSON.
            now_s: oscillator's time.
            wall_s: this machine's UTC, to compare dates.
        """
        if self._device is not None and report.get("device", self._device) != self._device:
            return None
        match report.get("class"):
            case "TPV":
                self._tpv(report, wall_s)
            case "SKY":
                self._sky(report)
            case _:
                return None
        return Telemetry(
            now_s, self._fix, self._satellites, self._used, self._raw.jamming, self._raw.spoofing, self._position,
            self._leap_s if self._raw.leap_s is None else self._raw.leap_s, self._date_error_s,
        )  # fmt: skip

    def _tpv(self, report: Mapping[str, Any], wall_s: float) -> None:
        mode = _number(report.get("mode"))
        self._fix = None if mode is None or not 0 < mode <= 3 else int(mode)
        lat, lon = _number(report.get("lat")), _number(report.get("lon"))
        height = _number(report.get("altHAE"))
        self._position = (lat, lon, height) if lat is not None and lon is not None else None
        if (leap := _number(report.get("leapseconds"))) is not None:
            self._leap_s = int(leap)
        at_s = _time(report.get("time"))
        self._date_error_s = None if at_s is None else at_s - wall_s

    def _sky(self, report: Mapping[str, Any]) -> None:
        listed = report.get("satellites")
        if isinstance(listed, list):
            self._satellites = tuple(it for entry in listed if (it := _satellite(entry)) is not None)
        elif report.get("nSat") == 0:
            self._satellites = ()
        used = _number(report.get("uSat"))
        self._used = None if used is None else int(used)


def _satellite(entry: object) -> Satellite | None:
    if not isinstance(entry, dict):
        return None
    prn, gnss, svid = (_number(entry.get(key)) for key in ("PRN", "gnssid", "svid"))
    if prn is None:
        return None
    name = _GNSS.get(int(gnss)) if gnss is not None else None
    name = name or next((it for low, high, it in _RANGES if low <= prn <= high), "unknown")
    strength, elevation = _number(entry.get("ss")), _number(entry.get("el"))
    return Satellite(
        name, int(svid if svid is not None else prn), strength or None, entry.get("used") is True, elevation
    )


def _number(value: object) -> float | None:
    """Return a finite number, or None for whatever is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e12 < value < 1e12:
        return None
    return value


def _time(value: object) -> float | None:
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
        return at.timestamp() if at.tzinfo else None
    except (ValueError, OverflowError, OSError):
        return None


def parse(line: bytes) -> Mapping[str, Any]:
    """Return a line as an object; an empty one for whatever is none."""
    try:
        report = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return report if isinstance(report, dict) else {}


async def follow(
    host: str,
    port: int,
    device: str | None,
    now_s: Callable[[], float],
    heard: Callable[[Telemetry], None],
    failed: Callable[[str], None],
) -> None:
    """Follow gpsd for ever; its restarts and its garbage are survived.

    Args:
        host: where gpsd listens.
        port: its TCP port.
        device: the receiver as gpsd names it; None for the only one.
        now_s: reads the oscillator.
        heard: called with each telemetry.
        failed: called with the reason when gpsd cannot be heard, and with nothing when it is heard again.
    """
    while True:
        try:
            async with asyncio.timeout(_SILENT_S):
                reader, writer = await asyncio.open_connection(host, port, limit=LONGEST)
            try:
                wanted = _WATCH | ({"device": device} if device else {})
                writer.write(b"?WATCH=" + json.dumps(wanted).encode() + b";\n")
                await _listen(reader, GpsdView(device), now_s, heard, failed)
            finally:
                writer.close()
        except TimeoutError:
            failed(f"gpsd at {host}:{port} says nothing of its receiver")
        except (OSError, ValueError) as error:  # ValueError: a line without end
            failed(f"gpsd at {host}:{port}: {error or type(error).__name__}")
        await asyncio.sleep(_AGAIN_S)


async def _listen(
    reader: asyncio.StreamReader,
    view: GpsdView,
    now_s: Callable[[], float],
    heard: Callable[[Telemetry], None],
    failed: Callable[[str], None],
) -> None:
    while True:
        async with asyncio.timeout(_SILENT_S):
            # Only the receiver's own reports count as life: gpsd answers WATCH without any receiver.
            while True:
                line = await reader.readline()
                if not line:
                    raise ConnectionError("closed by gpsd")
                said = view.line(line, now_s(), wall_ns() / 1e9)
                if said is not None:
                    break
        failed("")
        heard(said)
