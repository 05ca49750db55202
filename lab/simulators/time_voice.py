"""What a receiver says on its line each second: NMEA 0183 4.11 or UBX, written by pynmeagps and pyubx2."""

from __future__ import annotations

from datetime import UTC, datetime
from math import floor
from typing import Final

from pynmeagps import GET, NMEAMessage
from pyubx2 import UBXMessage

from .time_sky import Receiver, SkySatellite

_TALKER: Final = {"beidou": "GB", "gps": "GP"}
_SYSTEM: Final = {"beidou": 4, "gps": 1}
_GNSS: Final = {"beidou": 3, "gps": 0}
_BY_SIGNAL: Final = {"beidou": "1", "gps": "1"}
"""Signal ID of B1I and of L1 C/A: NMEA 0183 4.11 table 20."""
_UBX_GET: Final = 0
_WEEK_S: Final = 604_800
_GPS_EPOCH_S: Final = 315_964_800
"""1980-01-06, Unix time."""
LEAP_S: Final = 18
_GEOID_M: Final = -9.0
"""Height of the geoid above the ellipsoid near Beijing."""
_JAM_OK, _JAM_CRITICAL = 1, 3


def nmea(receiver: Receiver, at_s: float, unix_s: float) -> bytes:
    """Return a second's sentences: RMC, GGA, GSA, GSV, ZDA.

    Args:
        receiver: as the simulator has it.
        at_s: the simulator's time.
        unix_s: the second's UTC; what the receiver's fault makes of it is added here.
    """
    talker, system = _TALKER[receiver.constellation], _SYSTEM[receiver.constellation]
    sky = receiver.satellites(at_s)
    used = [it for it in sky if it.used]
    told = _told(receiver, at_s, unix_s)
    clock, date = told.strftime("%H%M%S.00"), told.strftime("%d%m%y")
    sentences: list[tuple[str, list[str]]] = []
    if used:
        lat, lon, height = receiver.position(at_s)
        place = [*_degrees(lat, "NS", 2), *_degrees(lon, "EW", 3)]
        sentences += [
            ("RMC", [clock, "A", *place, "0.0", "", date, "", "", "A", "V"]),
            ("GGA", [clock, *place, "1", f"{len(used):02}", "0.9", f"{height - _GEOID_M:.1f}", "M",
                     f"{_GEOID_M:.1f}", "M", "", ""]),
        ]  # fmt: skip
    else:
        sentences += [
            ("RMC", [clock, "V", *[""] * 6, date, "", "", "N", "V"]),
            ("GGA", [clock, *[""] * 4, "0", "00", "99.9", *[""] * 6]),
        ]
    numbers = [f"{it.number:02}" for it in used[:12]]
    sentences += [("GSA", ["A", "3" if used else "1", *numbers, *[""] * (12 - len(numbers)), "1.8", "0.9", "1.5",
                           f"{system:X}"])]  # fmt: skip
    sentences += [("GSV", fields) for fields in _views(sky, _BY_SIGNAL[receiver.constellation])]
    sentences += [("ZDA", [told.strftime("%H%M%S.00"), told.strftime("%d"), told.strftime("%m"), f"{told.year}",
                           "00", "00"])]  # fmt: skip
    return b"".join(_sentence(talker, kind, fields) for kind, fields in sentences)


def ubx(receiver: Receiver, at_s: float, unix_s: float) -> bytes:
    """Return a second's messages: NAV-PVT, NAV-SAT, NAV-TIMELS, MON-RF, SEC-SIG; arguments as for `nmea`."""
    told = _told(receiver, at_s, unix_s)
    sky = receiver.satellites(at_s)
    used = [it for it in sky if it.used]
    lat, lon, height = receiver.position(at_s)
    tow_ms = int((told.timestamp() - _GPS_EPOCH_S + LEAP_S) % _WEEK_S * 1000)
    heard = [it for it in sky if it.cn0_db_hz > 0]
    satellites = {
        f"{name}_{n:02}": value
        for n, it in enumerate(heard, 1)
        for name, value in (
            ("gnssId", _GNSS[it.constellation]), ("svId", it.number), ("cno", round(it.cn0_db_hz)),
            ("elev", round(it.elevation_deg)), ("azim", round(it.azimuth_deg)), ("qualityInd", 7 if it.used else 4),
            ("svUsed", int(it.used)), ("health", 1), ("orbitSource", 1),
        )
    }  # fmt: skip
    jammed = bool(receiver.fault and receiver.fault.kind == "jam" and at_s >= receiver.fault.since_s)
    jam = _JAM_CRITICAL if jammed else _JAM_OK
    messages = [
        _message("NAV", "NAV-PVT", iTOW=tow_ms, year=told.year, month=told.month, day=told.day, hour=told.hour,
                 min=told.minute, second=told.second, validDate=1, validTime=1, fullyResolved=1, tAcc=25, nano=0,
                 fixType=3 if used else 0, gnssFixOk=int(bool(used)), numSV=len(used), lon=lon, lat=lat,
                 height=round(height * 1000), hMSL=round((height - _GEOID_M) * 1000), hAcc=900, vAcc=1500, pDOP=1.8),
        _message("NAV", "NAV-SAT", iTOW=tow_ms, version=1, numSvs=len(heard), **satellites),
        _message("NAV", "NAV-TIMELS", iTOW=tow_ms, version=0, srcOfCurrLs=2 if used else 0,
                 currLs=LEAP_S + _leap(receiver, at_s), validCurrLs=1),
        # Where SEC-SIG speaks, MON-RF's jammingState stays at 0, unknown.
        _message("MON", "MON-RF", version=0, nBlocks=1, blockId_01=0, jammingState_01=0, antStatus_01=2,
                 antPower_01=1, noisePerMS_01=180 if jammed else 90, agcCnt_01=900 if jammed else 5200),
        _message("SEC", "SEC-SIG", version=2, jamDetEnabled=1, jammingState=jam, spfDetEnabled=1, spoofingState=1,
                 jamNumCentFreqs=0),
    ]  # fmt: skip
    return b"".join(messages)


def _told(receiver: Receiver, at_s: float, unix_s: float) -> datetime:
    """Return what the receiver takes for the time, to the second: weeks and leap seconds off, or standing still."""
    fault = receiver.fault
    if fault is not None and at_s >= fault.since_s:
        if fault.kind in {"leap", "week"}:
            unix_s += fault.error_ns(at_s) / 1e9
        if fault.kind == "frozen":
            unix_s -= at_s - fault.since_s
    return datetime.fromtimestamp(floor(unix_s), UTC)


def _leap(receiver: Receiver, at_s: float) -> int:
    """Return by how much the leap second that it was told is false: a second more makes its UTC a second late."""
    fault = receiver.fault
    return -round(fault.size) if fault and fault.kind == "leap" and at_s >= fault.since_s else 0


def _degrees(value: float, signs: str, digits: int) -> tuple[str, str]:
    whole, part = divmod(abs(value), 1)
    minutes = f"{part * 60:08.5f}"
    if minutes.startswith("60"):
        whole, minutes = whole + 1, "00.00000"
    return f"{int(whole):0{digits}}{minutes}", signs[value < 0]


def _views(sky: list[SkySatellite], signal: str) -> list[list[str]]:
    heard = [it for it in sky if it.elevation_deg > 0]
    groups = [heard[at : at + 4] for at in range(0, len(heard), 4)] or [[]]
    return [
        [f"{len(groups)}", f"{n}", f"{len(heard):02}"]
        + [text for it in group for text in (
            f"{it.number:02}", f"{it.elevation_deg:02.0f}", f"{it.azimuth_deg:03.0f}",
            f"{it.cn0_db_hz:02.0f}" if it.cn0_db_hz > 0 else "")]
        + [signal]
        for n, group in enumerate(groups, 1)
    ]  # fmt: skip


def _sentence(talker: str, kind: str, fields: list[str]) -> bytes:
    return bytes(NMEAMessage(talker, kind, GET, payload=fields, validate=0).serialize())


def _message(kind: str, name: str, **fields: float) -> bytes:
    return bytes(UBXMessage(kind, name, _UBX_GET, **fields).serialize())
