"""A receiver's own words: NMEA 0183 and UBX on one line, in any mixture and with any garbage between.

Frames are cut here, because a serial line is read without waiting; what is in them is read by pynmeagps and pyubx2.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import Any, Final

from pynmeagps import NMEAReader
from pyubx2 import UBXReader

from ..core.source import Satellite, Telemetry

_NMEA_LONGEST: Final = 256
"""NMEA 0183 admits 82; receivers with many digits need more."""
_UBX_LONGEST: Final = 8 + 2048
_TALKERS: Final = {
    "GP": "gps", "GL": "glonass", "GA": "galileo", "GB": "beidou", "BD": "beidou", "GQ": "qzss", "QZ": "qzss",
    "GI": "irnss",
}  # fmt: skip
_SYSTEMS: Final = {1: "gps", 2: "glonass", 3: "galileo", 4: "beidou", 5: "qzss", 6: "irnss"}
"""NMEA 4.11 table 20."""
_RANGES: Final = ((1, 32, "gps"), (33, 64, "sbas"), (65, 96, "glonass"), (193, 200, "qzss"), (301, 336, "galileo"),
                  (201, 263, "beidou"), (401, 463, "beidou"))  # fmt: skip
_OFFSETS: Final = {"beidou": (400, 200, 100), "galileo": (300,), "qzss": (192,), "glonass": (64,), "sbas": (-87,)}
"""What makers add to a satellite's number, so that it is unique among constellations; NMEA takes 87 off SBAS."""
_UBX_GNSS: Final = {0: "gps", 1: "sbas", 2: "galileo", 3: "beidou", 4: "imes", 5: "qzss", 6: "glonass", 7: "irnss"}
_UBX_WANTED: Final = {
    b"\x01\x07", b"\x01\x35", b"\x01\x20", b"\x01\x26", b"\x01\x03", b"\x0a\x38", b"\x0a\x09", b"\x27\x09",
}  # fmt: skip
"""NAV-PVT, NAV-SAT, NAV-TIMEGPS, NAV-TIMELS, NAV-STATUS, MON-RF, MON-HW, SEC-SIG."""
_NMEA_WANTED: Final = {b"GGA", b"GNS", b"RMC", b"GSA", b"GSV", b"ZDA"}
_JAMMING: Final = {1: "none", 2: "mitigated", 3: "raised"}
_SPOOFING: Final = {1: "none", 2: "indicated", 3: "raised"}


def frames(buffer: bytearray) -> Iterator[tuple[str, bytes]]:
    """Take whole frames off a buffer: ("nmea" | "ubx", frame); garbage is dropped, the beginning of a frame stays."""
    while buffer:
        starts = [at for at in (buffer.find(b"$"), buffer.find(b"\xb5\x62")) if at >= 0]
        if not starts:
            del buffer[: -1 if buffer[-1:] == b"\xb5" else len(buffer)]
            return
        del buffer[: min(starts)]
        if buffer[0] == 0x24:
            end = buffer.find(b"\n")
            again = buffer.find(b"$", 1)
            if 0 < again < (end if end >= 0 else len(buffer)):
                del buffer[:again]
                continue
            if end < 0:
                if len(buffer) > _NMEA_LONGEST:
                    del buffer[:1]
                    continue
                return
            yield "nmea", bytes(buffer[:end]).rstrip()
            del buffer[: end + 1]
            continue
        if len(buffer) < 6:
            return
        size = 8 + int.from_bytes(buffer[4:6], "little")
        if size > _UBX_LONGEST:
            del buffer[:2]
        elif len(buffer) < size:
            return
        elif _sound(buffer[:size]):
            yield "ubx", bytes(buffer[:size])
            del buffer[:size]
        else:
            del buffer[:2]


def _sound(frame: bytearray) -> bool:
    """Check UBX's Fletcher sum, so that a false length swallows no true frame."""
    a = b = 0
    for byte in frame[2:-2]:
        a = (a + byte) & 0xFF
        b = (b + a) & 0xFF
    return (a, b) == (frame[-2], frame[-1])


class StreamView:
    """What a receiver has said on its line. Whatever it is fed, it raises nothing.

    Attributes:
        bad: frames that were not understood, bad checksums included.
        good: frames that were.
        jamming, spoofing, leap_s: what it says of itself, as `Telemetry` has them.
    """

    def __init__(self) -> None:
        self.good = self.bad = 0
        self._buffer = bytearray()
        self._gsv: dict[tuple[str, str], dict[int, tuple[float | None, float | None]]] = {}
        self._gsv_parts: dict[tuple[str, str], dict[int, tuple[float | None, float | None]]] = {}
        self._used: dict[str, set[int]] = {}
        self._fix: int | None = None
        self._count: int | None = None
        self._position: tuple[float, float, float | None] | None = None
        self._date: date | None = None
        self._at: datetime | None = None
        self._clock: time | None = None
        self.leap_s: int | None = None
        self.jamming: str | None = None
        self.spoofing: str | None = None
        self._same_times = 0
        self._before = ""
        self._has_gga = False

    def feed(self, data: bytes, now_s: float, wall_s: float) -> Telemetry | None:
        """Take bytes; return what is known now where a fix, or the lack of one, has been told."""
        self._buffer += data
        told = False
        for kind, frame in frames(self._buffer):
            try:
                told |= self._nmea(frame) if kind == "nmea" else self._ubx(frame)
            except Exception:  # noqa: BLE001 - two parsers of hostile input: whatever they raise is a bad frame
                self.bad += 1
            else:
                self.good += 1
        return self.telemetry(now_s, wall_s) if told else None

    def telemetry(self, now_s: float, wall_s: float) -> Telemetry:
        """Return what is known now."""
        at_s = self._at.timestamp() if self._at else None
        return Telemetry(
            now_s, self._fix, self.satellites(), self._count, self.jamming, self.spoofing, self._position,
            self.leap_s, None if at_s is None else at_s - wall_s, stands_still=self._same_times >= 3,
        )  # fmt: skip

    def satellites(self) -> tuple[Satellite, ...] | None:
        """Return each satellite once, by the strongest of its signals."""
        if not self._gsv:
            return None
        seen: dict[tuple[str, int], tuple[float | None, float | None]] = {}
        for (constellation, _signal), heard in self._gsv.items():
            for number, (cn0, elevation) in heard.items():
                name, own = _own(constellation, number)
                before = seen.get((name, own), (None, None))
                seen[name, own] = (max(cn0 or 0, before[0] or 0) or None, elevation if before[1] is None else before[1])
        return tuple(
            Satellite(name, number, cn0, number in self._used.get(name, ()), elevation)
            for (name, number), (cn0, elevation) in seen.items()
        )

    # ---------------------------------------------------------------- NMEA

    def _nmea(self, frame: bytes) -> bool:
        if frame[3:6] not in _NMEA_WANTED:
            if checksum(frame[1:].split(b"*")[0]) != frame[-2:].upper():
                raise ValueError("no sentence: bad checksum")
            return False
        if frame.startswith(b"$PQ"):
            frame = _from_quectel(frame)
        message: Any = NMEAReader.parse(frame, validate=1)
        if message.msgID == "GSA" and self._before != "GSA":
            self._used.clear()
        self._before = message.msgID
        match message.msgID:
            case "GSV":
                self._gsv_part(message, frame)
                return False
            case "GSA":
                self._gsa(message)
                return False
            case "ZDA":
                self._dated(message.day and date(message.year, message.month, message.day), message.time)
                return False
            case "RMC":
                if message.status == "A":
                    self._dated(message.date, message.time)
                    if not self._has_gga:
                        self._fix = max(self._fix or 0, 2)
                        self._place(message.lat, message.lon, None)
                elif self._fix is None or self._fix > 1:
                    self._fix = 1
                return True
        if message.msgID == "GGA":
            sound, self._count = message.quality not in {0, 6}, _whole(message.numSV)
        else:
            sound, self._count = bool(str(message.posMode).strip("N")), _whole(message.numSV)
        self._fix = (self._fix if self._fix and self._fix > 1 else 3) if sound else 1
        self._has_gga = True
        self._position = None
        if sound:
            above, geoid = _real(message.alt), _real(getattr(message, "sep", ""))
            self._place(message.lat, message.lon, None if above is None or geoid is None else above + geoid)
        return True

    def _place(self, lat: object, lon: object, height: float | None) -> None:
        if isinstance(lat, int | float) and isinstance(lon, int | float):
            self._position = (lat, lon, height)

    def _dated(self, day: object, clock: object) -> None:
        if not isinstance(day, date) or not isinstance(clock, time):
            return
        at = datetime.combine(day, clock, UTC)
        if self._at is not None and at == self._at:
            # RMC and ZDA tell one moment twice; a clock that stands still tells it again and again.
            self._same_times += 1
        else:
            self._same_times = 0
        self._at = at

    def _gsv_part(self, message: Any, frame: bytes) -> None:
        constellation = _TALKERS.get(message.talker, "mixed")
        fields = frame.split(b"*")[0].split(b",")
        signal = fields[-1].decode("ascii", "replace") if len(fields) % 4 == 1 else ""
        key = (constellation, signal)
        if message.msgNum == 1:
            self._gsv_parts[key] = {}
        part = self._gsv_parts.setdefault(key, {})
        for n in range(1, 5):
            number = _whole(getattr(message, f"svid_{n:02}", None))
            if number:
                cn0, elevation = (getattr(message, f"{name}_{n:02}", None) for name in ("cno", "elv"))
                part[number] = (_real(cn0), _real(elevation))
        if message.msgNum == message.numMsg:
            self._gsv[key] = self._gsv_parts.pop(key)

    def _gsa(self, message: Any) -> None:
        mode = _whole(message.navMode)
        numbers = [n for i in range(1, 13) if (n := _whole(getattr(message, f"svid_{i:02}", None)))]
        system = _SYSTEMS.get(_whole(getattr(message, "systemId", None)) or 0) or _TALKERS.get(message.talker)
        if mode in {2, 3}:
            self._fix = mode
        if system is not None:
            self._used[system] = set()
        for number in numbers:
            name, own = _own(system or "mixed", number)
            self._used.setdefault(name, set()).add(own)

    # ---------------------------------------------------------------- UBX

    def _ubx(self, frame: bytes) -> bool:
        if frame[2:4] not in _UBX_WANTED:
            return False
        message: Any = UBXReader.parse(frame)
        match message.identity:
            case "NAV-PVT":
                sound = bool(message.gnssFixOk)
                self._fix = {2: 2, 3: 3, 4: 3, 5: 3}.get(message.fixType, 1) if sound else 1
                self._count = message.numSV
                self._position = (message.lat, message.lon, message.height / 1000) if sound else None
                if message.validDate and message.validTime:
                    second = time(message.hour, message.min, min(message.second, 59))
                    self._dated(date(message.year, message.month, message.day), second)
                return True
            case "NAV-SAT":
                self._ubx_satellites(message)
            case "NAV-TIMEGPS":
                self.leap_s = message.leapS if message.leapSValid else None
            case "NAV-TIMELS":
                self.leap_s = message.currLs if message.validCurrLs else None
            case "NAV-STATUS":
                self.spoofing = _SPOOFING.get(message.spoofDetState)
            case "MON-HW":
                self.jamming = _JAMMING.get(message.jammingState)
            case "MON-RF":
                states = [getattr(message, f"jammingState_{n:02}", 0) for n in range(1, message.nBlocks + 1)]
                self.jamming = _JAMMING.get(max(states, default=0))
            case "SEC-SIG":
                self.jamming = _JAMMING.get(message.jammingState) if message.jamDetEnabled else None
                self.spoofing = _SPOOFING.get(message.spoofingState) if message.spfDetEnabled else None
        return False

    def _ubx_satellites(self, message: Any) -> None:
        heard: dict[str, dict[int, tuple[float | None, float | None]]] = {}
        used: dict[str, set[int]] = {}
        for n in range(1, message.numSvs + 1):
            gnss, number, cn0, elevation, in_use = (
                getattr(message, f"{name}_{n:02}") for name in ("gnssId", "svId", "cno", "elev", "svUsed")
            )
            name = _UBX_GNSS.get(gnss, "unknown")
            heard.setdefault(name, {})[number] = (_real(cn0) or None, _real(elevation))
            if in_use:
                used.setdefault(name, set()).add(number)
        self._gsv = {(name, ""): them for name, them in heard.items()}
        self._used = used


def _from_quectel(frame: bytes) -> bytes:
    """Return Quectel's own GSV and GSA, which name the system in a field more, as the standard has them."""
    fields = frame[1:].split(b"*")[0].split(b",")
    if checksum(frame[1:].split(b"*")[0]) != frame[-2:].upper():
        raise ValueError("bad checksum")
    body = b",".join([b"GB" + fields[0][2:], *fields[1:-1]]) if fields[0] == b"PQGSV" else b",".join(
        [b"GN" + fields[0][2:], *fields[1:]])  # fmt: skip
    return b"$" + body + b"*" + checksum(body)


def checksum(body: bytes) -> bytes:
    """Return NMEA's checksum of what stands between $ and *."""
    total = 0
    for byte in body:
        total ^= byte
    return b"%02X" % total


def _own(constellation: str, number: int) -> tuple[str, int]:
    """Return the constellation and its own number of a satellite, whatever the maker adds to it."""
    name = constellation
    if constellation in {"mixed", "gps"} and number > 32:
        name = next((it for low, high, it in _RANGES if low <= number <= high), "unknown")
    elif constellation == "mixed":
        name = "gps"
    for offset in _OFFSETS.get(name, ()):
        if offset < 0 and number < 120:
            return name, number - offset
        if 0 < offset < number <= offset + 64:
            return name, number - offset
    return name, number


def _whole(value: object) -> int | None:
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 6 else None


def _real(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and -1e6 < value < 1e6 else None
