"""What a source says against itself: one table of tests, each of which names its figure and its limit.

A test answers with evidence or with nothing; what it does not know is nothing, for unknown accuses nobody, nor does it
clear anybody: who is silent is not selected either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt
from statistics import median
from typing import Final

from lifeline.model.timing import RECEIVERS, Antenna, TimeSourceKind

from .reasons import Evidence, Reason, Suspicion
from .source import SourceState, Telemetry

SILENT_POLLS: Final = 4.0
SILENT_LEAST_S: Final = 3.0
TELEMETRY_S: Final = 10.0
"""What a receiver said longer ago speaks for nothing."""
CN0_DROP_DB: Final = 10.0
"""A jammer worth the name raises the noise by more; rain and foliage by less (ITU-R M.2030)."""
CN0_RISE_DB: Final = 6.0
EVEN_DB: Final = 1.5
EVEN_LEAST_DB_HZ: Final = 44.0
"""Satellites at many elevations differ by 3 to 8 dB; one transmitter for all of them does not."""
FEW_SATELLITES: Final = 4
CONFIRM_FIXES: Final = 3
_FAR_DATE_S: Final = 43_200.0
_EARTH_M: Final = 6_371_000.0
_NAVIGATION = frozenset({"gps", "beidou", "galileo", "glonass"})
"""What gives a position alone; gpsd takes high BeiDou numbers of NMEA for SBAS."""
_OWN = {TimeSourceKind.BEIDOU: "beidou", TimeSourceKind.GPS: "gps"}


@dataclass(frozen=True, slots=True)
class Setting:
    """What the tests compare with."""

    now_s: float
    antenna: Antenna | None
    leap_s: int | None
    """GPS time less UTC now; None where nobody knows."""


Test = Callable[[SourceState, Setting], Evidence | None]


def _silent(source: SourceState, setting: Setting) -> Evidence | None:
    limit_s = max(SILENT_LEAST_S, SILENT_POLLS * source.poll_s)
    if not source.has_pulses:
        return Evidence(Reason.UNWATCHED, "pulses")
    last_s = source.heard_s
    if last_s is None or setting.now_s - last_s > limit_s:
        age_s = None if last_s is None else setting.now_s - last_s
        return Evidence(Reason.SILENT, "last-receive", age_s, limit_s, "s")
    return None


def _failed(source: SourceState, setting: Setting) -> Evidence | None:
    said = _fresh(source, setting)
    if said is not None and said.synchronised is False:
        return Evidence(Reason.FAILED, "synchronised", 0, 1, "", "itself")
    return None


def _no_fix(source: SourceState, setting: Setting) -> Evidence | None:
    said = _fresh(source, setting)
    if said is not None and source.kind in RECEIVERS and said.fix is not None and said.fix < 2:
        return Evidence(Reason.NO_FIX, "fix", said.fix, 2, "", "receiver")
    return None


def _frozen(source: SourceState, setting: Setting) -> Evidence | None:
    """A clock that stands still falls behind by a second each second, whatever its messages' rate."""
    said = _fresh(source, setting)
    if said is not None and said.stands_still:
        return Evidence(Reason.FROZEN, "advance", 0, 1, "s/s", "itself")
    recent = source.recent()
    if len(recent) >= CONFIRM_FIXES and recent[-1].at_s - recent[0].at_s > 0.5:
        rate = (recent[-1].phase_ns - recent[0].phase_ns) / (recent[-1].at_s - recent[0].at_s)
        if -1.1e9 < rate < -0.5e9:
            return Evidence(Reason.FROZEN, "advance", 1 + rate / 1e9, 0.5, "s/s", "oscillator")
    return None


def _foreign(source: SourceState, setting: Setting) -> Evidence | None:
    said, own = _fresh(source, setting), _OWN.get(source.kind)
    if said is None or own is None or said.satellites is None:
        return None
    used = [it.constellation for it in said.satellites if it.used and it.constellation in _NAVIGATION]
    if len(used) >= FEW_SATELLITES and own not in used:
        return Evidence(Reason.FOREIGN, f"satellites-{own}", 0, 1, "", max(set(used), key=used.count))
    return None


def _jammed(source: SourceState, setting: Setting) -> Evidence | None:
    said = _fresh(source, setting)
    if said is None or source.kind not in RECEIVERS:
        return None
    if said.jamming == "raised":
        return Evidence(Reason.JAMMED, "jam-flag", 1, 0, "", "receiver")
    strengths = said.cn0()
    if source.usual_cn0 is not None and strengths and source.usual_cn0 - median(strengths) >= CN0_DROP_DB:
        return Evidence(Reason.JAMMED, "cn0-drop", source.usual_cn0 - median(strengths), CN0_DROP_DB, "dB", "usual")
    many = source.usual_used is not None and source.usual_used >= 2 * FEW_SATELLITES
    # A fix without satellites contradicts itself: gpsd lists none as used where it cannot match a receiver's numbers.
    if many and said.satellites is not None and not said.used_count and (said.fix or 0) < 2:
        return Evidence(Reason.JAMMED, "satellites-used", said.used_count, source.usual_used, "", "usual")
    return None


def _spoofed(source: SourceState, setting: Setting) -> Evidence | None:
    said = _fresh(source, setting)
    if said is not None and said.spoofing == "raised":
        return Evidence(Reason.SPOOFED, "spoof-flag", 1, 0, "", "receiver")
    return None


def _moved(source: SourceState, setting: Setting) -> Evidence | None:
    said = _fresh(source, setting)
    if said is None or said.position is None or setting.antenna is None or source.far_fixes < CONFIRM_FIXES:
        return None
    away_m = distance_m(said.position, setting.antenna)
    if away_m <= setting.antenna.tolerance_m:
        return None
    even = evenness(said)
    reason = Reason.MEACONED if even is not None else Reason.MOVED
    return Evidence(reason, "position", away_m, setting.antenna.tolerance_m, "m", "antenna")


def _week(source: SourceState, setting: Setting) -> Evidence | None:
    said = _fresh(source, setting)
    if said is not None and said.date_error_s is not None and abs(said.date_error_s) > _FAR_DATE_S:
        return Evidence(Reason.WEEK, "date", said.date_error_s, _FAR_DATE_S, "s", "this machine")
    return None


def _leap(source: SourceState, setting: Setting) -> Evidence | None:
    said = _fresh(source, setting)
    if said is not None and said.leap_s is not None and setting.leap_s is not None and said.leap_s != setting.leap_s:
        return Evidence(Reason.LEAP, "gps-utc", said.leap_s, setting.leap_s, "s", "leap second table")
    return None


TESTS: Final[tuple[Test, ...]] = (
    _silent, _failed, _no_fix, _frozen, _foreign, _jammed, _spoofed, _moved, _week, _leap,
)  # fmt: skip


def against(source: SourceState, setting: Setting) -> list[Evidence]:
    """Return all that a source says against itself, the reason that counts first at the head."""
    found = [it for test in TESTS if (it := test(source, setting)) is not None]
    # A jammed receiver has no fix, or says nothing: whoever can say why comes first.
    told = {it.reason for it in found}
    if Reason.JAMMED in told:
        found = [it for it in found if it.reason not in {Reason.NO_FIX, Reason.SILENT}]
    return sorted(found, key=lambda it: it.reason.rank)


def suspicions(source: SourceState, setting: Setting) -> list[Suspicion]:
    """Return what convicts nobody, and tips the balance between two that disagree."""
    said = _fresh(source, setting)
    if said is None:
        return []
    found = []
    if said.jamming == "mitigated":
        found.append(Suspicion("jam-flag", None, ""))
    if said.spoofing == "indicated":
        found.append(Suspicion("spoof-flag", None, ""))
    if (even := evenness(said)) is not None:
        found.append(Suspicion("cn0-even", even, "dB"))
    strengths = said.cn0()
    if source.usual_cn0 is not None and strengths and median(strengths) - source.usual_cn0 >= CN0_RISE_DB:
        found.append(Suspicion("cn0-rise", median(strengths) - source.usual_cn0, "dB"))
    return found


def evenness(said: Telemetry) -> float | None:
    """Return the spread of C/N0 where all satellites are strong alike, as from one transmitter, dB."""
    strengths = said.cn0(used=True) or said.cn0()
    if len(strengths) < 6 or median(strengths) < EVEN_LEAST_DB_HZ:
        return None
    mean = sum(strengths) / len(strengths)
    spread = sqrt(sum((it - mean) ** 2 for it in strengths) / len(strengths))
    return spread if spread < EVEN_DB else None


def distance_m(position: tuple[float, float, float | None], antenna: Antenna) -> float:
    """Return how far a solution lies from the antenna, m: along the ground, and in height where both are known."""
    lat, lon, height = position
    a, b = radians(lat), radians(antenna.lat_deg)
    chord = sin((b - a) / 2) ** 2 + cos(a) * cos(b) * sin(radians(antenna.lon_deg - lon) / 2) ** 2
    ground = 2 * _EARTH_M * asin(sqrt(min(chord, 1.0)))
    up = 0.0 if height is None or antenna.height_m is None else height - antenna.height_m
    return sqrt(ground**2 + up**2)


def _fresh(source: SourceState, setting: Setting) -> Telemetry | None:
    said = source.telemetry
    return said if said is not None and setting.now_s - said.at_s <= max(TELEMETRY_S, 3 * source.poll_s) else None
