"""The words of enumerations in the operator's language.

The tables are filled when this module is imported, as Textual's BINDINGS are: the language is chosen before.
A value that a newer hub sends and this program does not know is shown as it came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lifeline.i18n import _

HEALTH: Final[Mapping[str, str]] = {
    "ok": _("ok"),
    "degraded": _("degraded"),
    "critical": _("critical"),
    "unknown": _("unknown"),
}
SEVERITY: Final[Mapping[str, str]] = {
    "critical": _("critical"),
    "major": _("major"),
    "minor": _("minor"),
    "indeterminate": _("indeterminate"),
    "warning": _("warning"),
    "cleared": _("cleared"),
}
MEDIA: Final[Mapping[str, str]] = {
    "fibre": _("fibre"),
    "satellite": _("satellite"),
    "microwave": _("microwave"),
    "copper": _("copper"),
    "radio": _("radio"),
}
SITE_KIND: Final[Mapping[str, str]] = {
    "core-room-wired": _("core room, wired"),
    "core-room-800m": _("core room, 800 MHz"),
    "super-base-station": _("super base station"),
    "radio-base-station": _("radio base station"),
    "command-centre": _("command centre"),
    "relay": _("relay"),
    "satellite-hub": _("satellite hub"),
    "mobile-unit": _("mobile unit"),
}
LINK_STATE: Final[Mapping[str, str]] = {
    "up": _("up"),
    "down": _("down"),
    "unknown": _("unknown"),
    "admin-down": _("admin down"),
}
PATH_NAME: Final[Mapping[str, str]] = {"working": _("working"), "protection": _("protection")}
TRAFFIC: Final[Mapping[str, str]] = {"no-path": _("no path"), "mixed": _("mixed"), "unknown": _("unknown")}
"""Where a group's traffic is, when that is not simply one of its paths."""
PROTECTION_STATE: Final[Mapping[str, str]] = {
    "Start on working": _("Start on working"),
    "Start on protection": _("Start on protection"),
    "Normal": _("Normal"),
    "Unavailable": _("Protection unavailable"),
    "Protecting failure": _("Protecting failure"),
    "No path": _("No path"),
    "Wait to restore": _("Wait to restore"),
    "Do not revert": _("Do not revert"),
    "No common path": _("No common path"),
    "Locked out": _("Locked out"),
    "Forced switch": _("Forced switch"),
    "Protection degraded": _("Protection degraded"),
    "Protecting degrade": _("Protecting degrade"),
    "Manual to protection": _("Manual to protection"),
    "Manual to working": _("Manual to working"),
    "Exercise on working": _("Exercise on working"),
    "Exercise on protection": _("Exercise on protection"),
    "Far locked out": _("Far locked out"),
    "Far no path": _("Far no path"),
    "Far unavailable": _("Far unavailable"),
    "Far forced switch": _("Far forced switch"),
    "Far protecting failure": _("Far protecting failure"),
    "Far protection degraded": _("Far protection degraded"),
    "Far protecting degrade": _("Far protecting degrade"),
    "Far manual to protection": _("Far manual to protection"),
    "Far manual to working": _("Far manual to working"),
    "Far wait to restore": _("Far wait to restore"),
    "Far do not revert": _("Far do not revert"),
    "Answer exercise on working": _("Answer exercise on working"),
    "Answer exercise on protection": _("Answer exercise on protection"),
}
COMMAND_PHASE: Final[Mapping[str, str]] = {
    "requested": _("ordered"),
    "received": _("received"),
    "done": _("done"),
    "refused": _("refused"),
    "unknown": _("outcome not known"),
    "planned": _("planned"),
}
DAEMON_STATE: Final[Mapping[str, str]] = {
    "started": _("started"),
    "adopted": _("adopted"),
    "stable": _("runs steadily"),
    "exited": _("exited"),
    "restarting": _("restarting"),
    "stopped": _("stopped"),
    "crash-loop": _("keeps crashing, given up"),
}
EVENT_KIND: Final[Mapping[str, str]] = {
    "condition": _("alarm"),
    "protection": _("switching"),
    "bfd": _("path check"),
    "daemon": _("program"),
    "command": _("command"),
    "alarm": _("operator"),
}
BFD_DIAGNOSTIC: Final[Mapping[str, str]] = {
    "No Diagnostic": _("No Diagnostic"),
    "Control Detection Time Expired": _("Control Detection Time Expired"),
    "Echo Function Failed": _("Echo Function Failed"),
    "Neighbor Signaled Session Down": _("Neighbor Signaled Session Down"),
    "Forwarding Plane Reset": _("Forwarding Plane Reset"),
    "Path Down": _("Path Down"),
    "Concatenated Path Down": _("Concatenated Path Down"),
    "Administratively Down": _("Administratively Down"),
    "Reverse Concatenated Path Down": _("Reverse Concatenated Path Down"),
}


def word(table: Mapping[str, str], value: str) -> str:
    """Return the word for a value, or the value itself when the table does not know it."""
    return table.get(value, value)


def age(seconds: float) -> str:
    """Return a duration in one unit, the way one speaks of age: `12s`, `3m`, `2h`, `5d`."""
    n = max(0, int(seconds))
    if n < 60:
        return _("{n}s").format(n=n)
    if n < 3600:
        return _("{n}m").format(n=n // 60)
    if n < 86400:
        return _("{n}h").format(n=n // 3600)
    return _("{n}d").format(n=n // 86400)


def countdown(seconds: float) -> str:
    """Return what is left, rounded up, so that 0 means due: `2s`, `4m 30s`."""
    n = max(0, -int(-seconds // 1))
    if n < 60:
        return _("{n}s").format(n=n)
    minutes = _("{n}m").format(n=n // 60)
    return minutes + (" " + _("{n}s").format(n=n % 60) if n % 60 else "")
