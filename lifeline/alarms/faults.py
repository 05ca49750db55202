"""What kind of fault an alarm speaks of, as far as causes are concerned: a table over resources, types and causes."""

from __future__ import annotations

from enum import StrEnum, auto
from typing import Final

from ..model.records import EventType, PerceivedSeverity, ProbableCause
from .alarm import Alarm

DUCT_CUT: Final = "duct-cut"


class Fault(StrEnum):
    """Kinds of faults."""

    DUCT = auto()  # a shared-risk group: everything in it fails together
    PATH = auto()  # a link carries nothing
    QUALITY = auto()  # a link carries, and badly; or what goes through it suffers
    DIVERTED = auto()  # a protection group is not on its working path, or its ends do not understand one another
    NO_PATH = auto()  # a protection group has no path left
    SILENCE = auto()  # a site, a device or a daemon is not heard
    ISOLATED = auto()  # a base station serves locally, without its core
    CONTACT = auto()  # a radio network's devices have lost one another, as either end tells it
    SUMMARY = auto()  # a device says that it has alarms
    DARK = auto()  # there is no power
    POWER = auto()  # something of the power plant is not as it should be
    TIME = auto()  # a time source or its clock
    SYNC = auto()  # something that needs time does not have it
    BROKEN = auto()  # a device says that it does not do its work any more
    CRASH = auto()  # a daemon of ours keeps ending
    OTHER = auto()


_BY_TYPE: Final[dict[tuple[str, str], Fault]] = {
    ("srg", DUCT_CUT): Fault.DUCT,
    ("link", "path-down"): Fault.PATH,
    ("link", "link-down"): Fault.PATH,
    ("group", "no-path"): Fault.NO_PATH,
    ("site", "agent-silent"): Fault.SILENCE,
    ("site", "unreachable"): Fault.SILENCE,
    ("daemon", "fastpath-silent"): Fault.SILENCE,
    ("device", "unreachable"): Fault.SILENCE,
    ("device", "silent"): Fault.SILENCE,
    ("site", "isolated"): Fault.ISOLATED,
    ("device", "isolated"): Fault.ISOLATED,
    ("daemon", "crash-loop"): Fault.CRASH,
    ("power", "site-dark"): Fault.DARK,
    ("power", "load-dark"): Fault.DARK,
    ("power", "overload"): Fault.POWER,  # it still carries
}
_BY_KIND: Final = {
    "link": Fault.QUALITY,
    "traffic": Fault.QUALITY,
    "group": Fault.DIVERTED,
    "power": Fault.POWER,
    "time": Fault.TIME,
}
_OF_RADIO: Final = frozenset({"lmr-backhaul", "lmr-control-channel"})
_SUMMARIES: Final = frozenset({"alarm-summary", "alarm-major", "alarm-minor"})
_OF_SYNC: Final = frozenset({ProbableCause.TIMING_PROBLEM, ProbableCause.LOSS_OF_SYNCHRONISATION})


def fault_of(alarm: Alarm) -> Fault:
    """Return what kind of fault an alarm speaks of.

    Types that are not in the table go by their resource: a critical `powerProblem` of a power plant is darkness, a
    device that lacks synchronisation has a fault of sync.
    """
    kind = alarm.resource.partition(":")[0]
    if (fault := _BY_TYPE.get((kind, alarm.alarm_type_id))) is not None:
        return fault
    if kind == "device":
        name = alarm.alarm_type_id.partition("[")[0]
        if name in _OF_RADIO:
            return Fault.CONTACT
        if name in _SUMMARIES:
            return Fault.SUMMARY
    if kind in ("device", "site") and alarm.probable_cause in _OF_SYNC:
        return Fault.SYNC
    worst = alarm.perceived_severity is PerceivedSeverity.CRITICAL
    if kind == "power" and worst and alarm.probable_cause is ProbableCause.POWER_PROBLEM:
        return Fault.DARK
    if kind == "device" and worst and alarm.event_type is EventType.EQUIPMENT:
        return Fault.BROKEN
    return _BY_KIND.get(kind, Fault.OTHER)


def place_of(alarm: Alarm) -> str:
    """Return the site of an alarm on something at a site; of any other the identifier of its resource."""
    return alarm.resource.partition(":")[2].partition("/")[0]


def site_told_of(alarm: Alarm) -> str:
    """Return the site of which a controller speaks, `lmr-backhaul[site sbs-a]`; empty where it names none."""
    return alarm.alarm_type_id.partition("[")[2].removesuffix("]").removeprefix("site ")


def seen_on_site(alarm: Alarm) -> bool:
    """Tell whether a daemon at the alarm's own site reports it: what it does not reach is not merely out of reach."""
    site = place_of(alarm)
    return any(reporter.partition("/")[0] == site for reporter in alarm.reports)


def part_of(alarm: Alarm) -> str:
    """Return the device, unit or source at the site that an alarm is on; empty for the whole."""
    return alarm.resource.partition("/")[2]
