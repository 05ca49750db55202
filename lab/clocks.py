"""A node's clock room: simulated receivers with real gpsd and real chronyd, wired as the inventory says.

Two services of a node's label `lifeline.services`: `sky` simulates the site's receivers (or, at a site without any, an
NTP server that others ask), gpsd and chronyd come with it where the site has receivers. chronyd runs with `-x`: the
machine's clock is touched by nobody.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lifeline.clock import wall_ns
from lifeline.model.inventory import Site
from lifeline.model.timing import RECEIVERS, TimeProtocol, TimeSource, TimeSourceKind

from .simulators.time_leap import leap_file

_ETC = "/run/etc"
CONTROL: Final = "clock-room.sock"
"""Where a node's sky takes orders, in the node's /run/lifeline."""
_RUN = "/run/lifeline"
_GPSD_PORT = "2947"
NTP_PORT: Final = 123
_DELAY_S: Final = 4e-6
"""Half of it is what chronyd allows each refclock beside its noise: what passes the gate as agreeing must not look to
chronyd like two falsetickers."""
_REFID = {TimeSourceKind.BEIDOU: "BDS", TimeSourceKind.GPS: "GPS", TimeSourceKind.HOLDOVER: "HOLD"}


def service(name: str) -> dict[str, Any]:
    """Return how `sky`, `gpsd` or `chronyd` is started at a node."""
    if name == "sky":
        argv = [sys.executable, "-m", "lab.simulators.time_room", f"{_ETC}/clock-room.json"]
        return {"name": name, "argv": argv, "ready": f"{_RUN}/{CONTROL}", "graceful": True}
    if name == "gpsd":
        argv = ["/bin/sh", "-c", f"exec /usr/sbin/gpsd -N -n -b -S {_GPSD_PORT} $(cat {_ETC}/gpsd.lines)"]
        return {"name": name, "argv": argv, "graceful": False}
    argv = ["/usr/sbin/chronyd", "-x", "-d", "-u", "root", "-f", f"{_ETC}/chrony.conf"]
    return {"name": name, "argv": argv, "graceful": True}


def files(services: tuple[str, ...], site: Site | None) -> Mapping[str, str]:
    """Return the configuration of a node's clock services, by file name; nothing where it has none.

    Args:
        services: of the node.
        site: what the inventory says of it.
    """
    made: dict[str, str] = {}
    sources = site.time_sources if site else {}
    if "sky" in services:
        made["clock-room.json"] = json.dumps(_room(site, sources), indent=1)
    if "gpsd" in services:
        lines = [it.line for it in sources.values() if it.kind in RECEIVERS and it.asked_by is TimeProtocol.GPSD]
        made["gpsd.lines"] = " ".join(it for it in lines if it)
    if "chronyd" in services:
        made["leap-seconds.list"] = leap_file(wall_ns() / 1e9)
        made["chrony.conf"] = _chrony(site, sources)
    return made


def _room(site: Site | None, sources: Mapping[str, TimeSource]) -> dict[str, Any]:
    antenna = site.timing.antenna if site and site.timing else None
    receivers = {
        name: {
            "constellation": it.kind.value,
            # gpsd is told in NMEA, for every receiver speaks it; a line of its own carries what u-blox adds.
            "voice": "nmea" if it.asked_by is TimeProtocol.GPSD else "ubx",
            **({"line": it.line} if it.line else {}),
            "pulses": [it.pulses] if it.pulses else [],
            "bias_ns": 20.0 if it.kind is TimeSourceKind.BEIDOU else -25.0,
        }
        for name, it in sources.items()
        if it.kind in _REFID and it.kind in RECEIVERS
    }
    place = {} if antenna is None else {
        "lat_deg": antenna.lat_deg, "lon_deg": antenna.lon_deg, "height_m": antenna.height_m or 0.0,
    }  # fmt: skip
    # At the site's own address: an answer from that of the way out would be nobody's.
    serves = {} if receivers or site is None else {"ntp": [str(next(iter(site.prefixes[0].hosts()))), NTP_PORT]}
    return {"receivers": receivers, "control": f"{_RUN}/{CONTROL}", **place, **serves}


def _chrony(site: Site | None, sources: Mapping[str, TimeSource]) -> str:
    command = site.timing.chrony.command_socket if site and site.timing and site.timing.chrony else None
    refclocks = [
        f"refclock SOCK {it.chrony} refid {_REFID[it.kind]} poll 2 filter 4 precision 1e-7 delay {_DELAY_S:g}"
        for it in sources.values()
        if it.chrony is not None
    ]
    commands = [f"bindcmdaddress {command}", f"pidfile {Path(command).parent}/chronyd.pid"] if command else []
    return "\n".join([*refclocks, *commands, "allow", "cmdport 0", ""])
