"""A node's power plant: simulated in time, its devices on real protocols where the inventory says they are asked.

One service of a node's label `lifeline.services`, `plant`: it makes the site's feeds, switches, generators, tanks and
batteries, and answers for every device that a part's `monitor` names. It starts behind everything else and waits for
nobody: routes and daemons come first.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter

from lifeline.model.inventory import Site
from lifeline.model.power import PowerPlant

CONTROL: Final = "plant.sock"
"""Where a node's plant takes orders, in the node's /run/lifeline."""
FAULTS: Final = (
    "lost", "no-start", "stops", "stuck", "leak", "empty", "level", "open", "bypass", "silent", "lies", "hasten",
)  # fmt: skip
"""What can be wrong with a plant or its devices, and `hasten`, by which its time goes faster."""
_CONFIG = "/run/etc/plant.json"
_PORTS = {"nut": 3493, "modbus": 502, "snmp": 161}
_SECTIONS = ("generators", "tanks", "switches", "ups", "dc_plants", "feeds")


def service() -> dict[str, Any]:
    """Return how `plant` is started at a node."""
    argv = [sys.executable, "-m", "lab.simulators.power_room", _CONFIG]
    return {"name": "plant", "argv": argv, "graceful": False}


def files(site: Site | None, user: Mapping[str, str]) -> Mapping[str, str]:
    """Return the configuration of a node's plant, by file name; nothing where the site has none.

    Args:
        site: what the inventory says of it.
        user: who may ask SNMP agents: `name`, `auth`, `privacy`, `hash`.
    """
    if site is None or site.power is None:
        return {}
    config = {
        "power": TypeAdapter(PowerPlant).dump_python(site.power, mode="json"),
        "devices": _devices(site, site.power),
        "user": dict(user),
        "nut": "/run/nut-plant",
        "control": f"/run/lifeline/{CONTROL}",
    }
    return {"plant.json": json.dumps(config, indent=1)}


def _devices(site: Site, plant: PowerPlant) -> dict[str, dict[str, Any]]:
    """Return what answers for the plant's parts, by device."""
    found: dict[str, dict[str, Any]] = {}
    for section in _SECTIONS:
        for name, part in getattr(plant, section).items():
            if part.monitor is None:
                continue
            monitor = part.monitor
            address = str(site.devices[monitor.device].address)
            device = found.setdefault(
                monitor.device,
                {"protocol": monitor.protocol, "address": address, "port": monitor.port or _PORTS[monitor.protocol],
                 "parts": []},
            )  # fmt: skip
            device["parts"].append((section, name, monitor.name))
    return found
